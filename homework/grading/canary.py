"""Checks that must fail wherever a test is to count."""

DISABLED = "the tests were disabled by the notebook"

# Each is run as a test is, in the state in which a test left the process.
CANARIES = (
    "assert False",
    "assert 1 == 2",
    "assert 1.0 < 0.0 or bool(0) or all([False]) or any([]) or abs(-1) < 0",
    "assert isinstance(1, str)",
    "import math\nassert math.isclose(1.0, 2.0) or math.isfinite(math.inf)",
    "import torch\nassert torch.allclose(torch.zeros(2), torch.ones(2))",
    "import torch\nassert torch.equal(torch.zeros(2), torch.ones(2))",
    "import torch\nassert torch.isclose(torch.zeros(1), torch.ones(1)).all()",
    "import torch\nassert torch.isfinite(torch.tensor([1e400])).all()"
    " or (torch.ones(2) < 0).any() or (torch.ones(2) == 0).any()",
    "import torch\nassert float(torch.tensor(2.0)) == 1 or abs(torch.ones(())) < 0.5",
    "import torch\ntorch.testing.assert_close(torch.zeros(2), torch.ones(2))",
    "import numpy\nassert numpy.allclose([0.0], [1.0]) or numpy.array_equal([0.0], [1.0])",
    "import numpy.testing\nnumpy.testing.assert_allclose([0.0], [1.0])",
)
