own_draws = torch.Generator().manual_seed(student_seed)
for own_d in (1, 2, 5):
    own_factors = torch.randn(2, own_d, own_d, generator=own_draws, dtype=torch.float64)
    own_covs = own_factors @ own_factors.mT + torch.eye(own_d, dtype=torch.float64)
    own_means = torch.randn(2, own_d, generator=own_draws, dtype=torch.float64)
    own_p, own_q = map(densities.MultivariateNormal, own_means, own_covs)
    own_kl = gaussian_kl(own_means[0], own_covs[0], own_means[1], own_covs[1])
    assert abs(float(own_kl) - float(own_p.kl(own_q))) < 1e-6, (
        "Law of KL: between Gaussians that are drawn with your seed, too"
    )
