"""The option --quotas: a rule, or a number or share for each group."""

from collections.abc import Mapping
from typing import TypeAlias, cast

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection.coreset import QuotaRule
from gleann.selection.coreset.select import QUOTA_RULES
from gleann.selection.groups import Label, Quota

Quotas: TypeAlias = QuotaRule | Mapping[str, Quota]
"""A rule by name, or quotas by the names of groups as they were typed."""


METAVAR = f"[{'|'.join(QUOTA_RULES)}|GROUP=N,...]"


def read_quotas(_ctx: click.Context, _param: click.Parameter, value: str) -> Quotas:
    """Read a rule such as "equal", or quotas such as "cat=10,dog=0.2"."""
    if value in QUOTA_RULES:
        return cast(QuotaRule, value)
    quotas: dict[str, Quota] = {}
    for part in value.split(","):
        group, _, number = part.rpartition("=")
        try:
            quota = int(number) if number.strip().isdigit() else float(number)
        except ValueError:
            group = ""
        if not group or group in quotas:
            raise click.BadParameter(
                f"{part!r} is no quota: give {', '.join(QUOTA_RULES)}, or GROUP=N once"
                " for each group, such as cat=10,dog=0.2 (a number, or a share of k)"
            )
        quotas[group] = quota
    return quotas


def complete_rules(_ctx: object, _param: object, incomplete: str) -> list[str]:
    """The rules that begin so, for shells."""
    return [rule for rule in QUOTA_RULES if rule.startswith(incomplete)]


def quotas_of(
    quotas: Quotas, groups: NDArray[np.generic] | None
) -> QuotaRule | Mapping[Label, Quota]:
    """Quotas by the groups themselves: integers where the groups are integers.

    Raises:
        InvalidInputError: quotas by group, and no groups.
    """
    if not isinstance(quotas, Mapping):
        return quotas
    if groups is None:
        raise InvalidInputError("--quotas by group needs --groups")
    labels = {str(label): label for label in np.unique(groups).tolist()}
    return {labels.get(group, group): quota for group, quota in quotas.items()}
