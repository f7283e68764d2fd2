own_draws = torch.Generator().manual_seed(student_seed)
for own_size in (11, 101, 1001):
    own_x = 5 * torch.randn(own_size, generator=own_draws, dtype=torch.float64) ** 3
    own_x = own_x + 20 * torch.randn((), generator=own_draws, dtype=torch.float64)
    own_middle = float(laplace_mle(own_x)[0])
    assert abs(own_middle - float(own_x.median())) < 1e-6 * (1 + abs(own_middle)), (
        "Law of maximum likelihood: on data drawn with your seed, too, no location may fit better"
    )
