"""`gleann select`: choose items to label or to train on."""

import click

from gleann.service.cli import options
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.select.select_active import active
from gleann.service.cli.select.select_coreset import (
    ccs,
    farthest_first,
    gist,
    margin,
    random,
    weighted_k_center,
)
from gleann.service.cli.select.select_rounds import rounds

OLD_NAMES = {"k-center": "weighted-k-center"}
"""Commands by an earlier name, which is not listed."""


class _Select(SuggestingGroup):
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, OLD_NAMES.get(name, name))


@click.group(
    "select",
    cls=_Select,
    short_help="Choose items to label or to train on.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann select active words.gleann --labels seed.csv --state s.json"
        " --out batch.parquet",
        "gleann select rounds items.npy --labels labels.csv --picker badge"
        " --state r.json --out round.parquet",
        "gleann select weighted-k-center items.npy --k 500 --costs c.npy"
        " --out picks.parquet",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Choose items of an index or of a file of vectors.

    active: the most informative labels for a classifier. rounds: a training set in
    rounds of labelling and training. weighted-k-center: coverage
    and uncertainty. farthest-first: coverage alone. gist: uncertainty and diversity.
    ccs: a stratified sample from easy to hard, for small subsets. margin: uncertainty
    alone. random: the baseline.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for method in (
    active,
    rounds,
    weighted_k_center,
    farthest_first,
    gist,
    ccs,
    margin,
    random,
):
    command.add_command(method)
