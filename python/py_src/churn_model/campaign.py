"""What keeping a tenant is worth and what trying costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Costs of a retention campaign, after Verbraken, Verbeke and Baesens (2013).

    Money is in any one currency; only ratios matter for the threshold.

    Parameters
    ----------
    lifetime_value : float, default 200.0
        What a kept tenant is worth.
    offer : float, default 10.0
        Cost of the offer, paid when a tenant takes it.
    contact : float, default 1.0
        Cost of contacting one tenant.
    accept_alpha, accept_beta : float, default 6.0 and 14.0
        Shape of the Beta-distributed probability that a would-be churner takes the offer and stays.

    Examples
    --------
    >>> from churn_model import Campaign
    >>> Campaign(lifetime_value=5_000.0, offer=100.0).contact
    1.0
    """

    lifetime_value: float = 200.0
    offer: float = 10.0
    contact: float = 1.0
    accept_alpha: float = 6.0
    accept_beta: float = 14.0
