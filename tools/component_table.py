"""The README's table of components: one line and the references of each, read off their docstrings.

python tools/component_table.py            prints the table
python tools/component_table.py --write    puts it into README.md, between its two marks
python tools/component_table.py --check    exit code 1 if README.md holds another one
"""

import argparse
import inspect
import re
import sys
from pathlib import Path

from genrl.plugins import components, origin

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- components -->", "<!-- end of components -->"
KINDS = (
    "data",
    "network",
    "schedule",
    "parameterization",
    "weighting",
    "time_sampler",
    "objective",
    "guidance",
    "thresholding",
    "time_grid",
    "sampler",
    "distill",
    "feature",
    "env",
    "policy",
    "critic",
    "algorithm",
    "advantage",
    "buffer",
    "imitation_loss",
    "demonstrations",
    "callback",
)
"""The order in the table; kinds that are not named here follow in alphabetical order."""

_NAME = r"(?:van )?[A-Z][\w-]+"
_NAMES = rf"(?:{_NAME}, )*{_NAME} & {_NAME}|{_NAME} et al\.|{_NAME}"
CITATION = re.compile(rf"\b(?:{_NAMES}) (?:19|20)\d\d\b")
ARXIV = {
    "Bellemare et al. 2017": "1707.06887",
    "Berthelot et al. 2023": "2303.04248",
    "Chen et al. 2021": "2101.05982",
    "Chi et al. 2023": "2303.04137",
    "Cho et al. 2014": "1406.1078",
    "Chung et al. 2024": "2406.08070",
    "Dabney et al. 2018": "1710.10044",
    "Dhariwal & Nichol 2021": "2105.05233",
    "Espeholt et al. 2018": "1802.01561",
    "Esser et al. 2024": "2403.03206",
    "Fu et al. 2020": "2004.07219",
    "Fu, Luo & Levine 2018": "1710.11248",
    "Fujimoto et al. 2018": "1802.09477",
    "Fujimoto, van Hoof & Meger 2018": "1802.09477",
    "Geng et al. 2024": "2406.14548",
    "Haarnoja et al. 2018": "1812.05905",
    "Hang et al. 2023": "2303.09556",
    "Heusel et al. 2017": "1706.08500",
    "Ho & Ermon 2016": "1606.03476",
    "Ho & Salimans 2022": "2207.12598",
    "Ho et al. 2020": "2006.11239",
    "Ho et al. 2022": "2210.02303",
    "Ho, Gupta & Ermon 2016": "1605.08478",
    "Ho, Salimans, Gritsenko, Chan, Norouzi & Fleet 2022": "2204.03458",
    "Karras et al. 2022": "2206.00364",
    "Karras et al. 2024": "2312.02696",
    "Karras, Aittala, Kynkäänniemi, Lehtinen, Aila & Laine 2024": "2406.02507",
    "Kendall, Gal & Cipolla 2018": "1705.07115",
    "Kingma et al. 2021": "2107.00630",
    "Kostrikov, Agrawal, Dwibedi, Levine & Tompson 2019": "1809.02925",
    "Kynkäänniemi et al. 2024": "2404.07724",
    "Lillicrap et al. 2016": "1509.02971",
    "Lin et al. 2024": "2305.08891",
    "Lipman et al. 2023": "2210.02747",
    "Liu et al. 2023": "2209.03003",
    "Lu et al. 2022": "2211.01095",
    "Luo et al. 2023": "2310.04378",
    "Meng et al. 2022": "2210.03142",
    "Mnih et al. 2016": "1602.01783",
    "Nichol & Dhariwal 2021": "2102.09672",
    "Perez et al. 2018": "1709.07871",
    "Reddy, Dragan & Levine 2020": "1905.11108",
    "Ross, Gordon & Bagnell 2011": "1011.0686",
    "Sadat et al. 2024": "2410.02416",
    "Saharia et al. 2022": "2205.11487",
    "Salimans & Ho 2022": "2202.00512",
    "Salimans et al. 2017": "1703.03864",
    "Schaul et al. 2016": "1511.05952",
    "Schulman et al. 2015": "1502.05477",
    "Schulman et al. 2016": "1506.02438",
    "Schulman et al. 2017": "1707.06347",
    "Song et al. 2021": "2010.02502",
    "Song et al. 2023": "2303.01469",
    "Torabi et al. 2018": "1805.01954",
    "Wu et al. 2024": "2410.13855",
    "Xiao, Rasul & Vollgraf 2017": "1708.07747",
}


def table() -> str:
    """The components of genrl itself, not those of plugins, as a table of Markdown."""
    known = components()
    kinds = [*KINDS, *(kind for kind in known if kind not in KINDS)]
    rows = [
        f"| `{kind}.{name}` | {_summary(component)} | {_references(component)} |"
        for kind in kinds
        for name, component in known[kind].items()
        if origin(component)[0] == "genrl"
    ]
    return "\n".join(["| component | what it is | reference |", "|---|---|---|", *rows])


def _summary(component: type) -> str:
    first = (inspect.getdoc(component) or "").splitlines()[0]
    return first.replace("``", "`").replace("|", r"\|")


def _references(component: type) -> str:
    module = inspect.getmodule(component)
    docs = f"{module.__doc__ if module else ''} {inspect.getdoc(component) or ''}"
    cited = dict.fromkeys(CITATION.findall(" ".join(docs.split())))
    return ", ".join(
        f"[{name}](https://arxiv.org/abs/{ARXIV[name]})" if name in ARXIV else name
        for name in cited
    )


def with_table(text: str) -> str:
    """The text with the table between its marks.

    Raises:
        ValueError: if a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Print, write or check."""
    parser = argparse.ArgumentParser(description="the README's table of components")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--write", action="store_true", help="put it into README.md")
    modes.add_argument("--check", action="store_true", help="compare it with README.md")
    options = parser.parse_args()
    if not options.write and not options.check:
        print(table())
        return 0
    text = README.read_text()
    if options.write:
        README.write_text(with_table(text))
    elif text != with_table(text):
        print("README.md is out of date: python tools/component_table.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
