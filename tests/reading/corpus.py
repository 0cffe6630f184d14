"""Files as they really come, and what must become of every line of them.

A case is a file of one feed. In its text `~` is a time that breaks no rule. `good` says which lines are staged and with
which values (as `line: value | value | ...`, `-` for NULL), `bad` which are in quarantine and why, both in file order.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIME = "2025-03-01 08:00:00"
COLUMNS: Mapping[str, Sequence[str]] = {
    "orders": ("order_id", "customer_id", "order_amount", "shipping_address", "created_timestamp"),
    "customers": ("customer_id", "email", "phone", "city", "created_timestamp"),
    "products": ("product_id", "product_name", "price", "discontinued", "created_timestamp"),
    "inventory": ("product_id", "warehouse_id", "stock_quantity", "last_audit", "created_timestamp"),
    "shipping": ("shipping_id", "order_id", "shipping_cost", "actual_delivery", "created_timestamp"),
}
_SOUND: Mapping[str, Sequence[str]] = {
    "orders": ("O-{n}", "C-1", "20.00", "1 Main St"),
    "customers": ("C-{n}", "ada@example.com", "555-0101", "Leeds"),
    "products": ("P-{n}", "Lamp", "20.00", "false"),
    "inventory": ("P-{n}", "W-1", "10", "2025-02-28"),
    "shipping": ("S-{n}", "O-1", "5.00", "-"),
}


@dataclass(frozen=True)
class Case:
    """`rejected` is the reason why nothing of the file is staged, `repeated` how many records equal earlier ones,
    `drift` the columns that are reported as unknown, `times` the times of lines that have another than `TIME`. `wants`
    changes the contract."""

    name: str
    feed: str
    data: bytes
    good: Sequence[str] = ()
    bad: Sequence[str] = ()
    rejected: str = ""
    repeated: int = 0
    drift: str | None = None
    times: Mapping[int, str] = field(default_factory=dict)
    wants: Mapping[str, object] = field(default_factory=dict)
    file_name: str = "delivery.csv"


def head(feed: str) -> str:
    return ",".join(COLUMNS[feed]) + "\n"


def row(feed: str, n: int) -> str:
    """A sound record, which `shown` shows."""
    cells = ["" if cell == "-" else cell.format(n=n) for cell in _SOUND[feed]]
    return ",".join([*cells, "~"]) + "\n"


def shown(feed: str, n: int) -> str:
    return " | ".join(cell.format(n=n) for cell in _SOUND[feed])


class _Feed:
    """Makes the cases of a feed: `h` is its header, `r[n]` its n-th sound record, `at(line, n)` that record staged."""

    def __init__(self, feed: str) -> None:
        self.feed, self.h = feed, head(feed)
        self.r = [row(feed, n) for n in range(10)]

    def at(self, line: int, n: int) -> str:
        return f"{line}: {shown(self.feed, n)}"

    def case(
        self,
        name: str,
        text: str | bytes,
        good: Sequence[str] = (),
        bad: Sequence[str] = (),
        *,
        encoding: str = "utf-8",
        **more: Any,
    ) -> Case:
        data = text if isinstance(text, bytes) else text.replace("~", TIME).encode(encoding)
        return Case(name, self.feed, data, good, bad, **more)


O, C, P, I, S = (_Feed(feed) for feed in ("orders", "customers", "products", "inventory", "shipping"))
_B = b"\xef\xbb\xbf"


def _t(text: str) -> bytes:
    return text.replace("~", TIME).encode()


ENCODINGS = [
    O.case("UTF-8", O.h + O.r[1] + "O-2,C-1,20.00,Åkervägen 1 ☕,~\n", [O.at(2, 1), "3: O-2 | C-1 | 20.00 | Åkervägen 1 ☕"]),
    O.case("UTF-8 with a mark", "\ufeff" + O.h + O.r[1], [O.at(2, 1)]),
    C.case("a mark before a quoted header", '\ufeff"customer_id",email,phone,city,created_timestamp\n' + C.r[1], [C.at(2, 1)]),
    P.case("UTF-16, little endian", "\ufeff" + P.h + P.r[1] + "P-2,Lámpara 💡,20.00,,~\n", [P.at(2, 1), "3: P-2 | Lámpara 💡 | 20.00 | -"], encoding="utf-16-le"),
    P.case("UTF-16, big endian", "\ufeff" + P.h + P.r[1], [P.at(2, 1)], encoding="utf-16-be"),
    P.case("UTF-16 with line ends and commas inside its characters", "\ufeff" + P.h + "P-1,\u0a0d\u0d0a\u2c00,20.00,,~\n" + P.r[2], ["2: P-1 | \u0a0d\u0d0a\u2c00 | 20.00 | -", P.at(3, 2)], encoding="utf-16-le"),
    P.case("UTF-16 with quoted line ends", "\ufeff" + P.h + 'P-1,"Desk\r\nlamp",20.00,,~\r\n' + P.r[2], ["2: P-1 | Desk\r\nlamp | 20.00 | -", P.at(4, 2)], encoding="utf-16-le"),
    P.case("UTF-16 without a mark", P.h + P.r[1], encoding="utf-16-le", rejected="not_utf8"),
    P.case("UTF-16 without a mark, named", P.h + P.r[1], [P.at(2, 1)], encoding="utf-16-be", wants={"encoding": "utf-16-be"}),
    P.case("half a pair of UTF-16", ("\ufeff" + P.h + "P-1,").encode("utf-16-le") + b"\x3d\xd8" + ",20.00,,~\n".replace("~", TIME).encode("utf-16-le") + P.r[2].replace("~", TIME).encode("utf-16-le"), [P.at(3, 2)], ["2: undecodable"]),
    P.case("UTF-16 that ends within a character", ("\ufeff" + P.h + P.r[1]).replace("~", TIME).encode("utf-16-le") + b"P", [P.at(2, 1)], ["3: undecodable"]),
    C.case("Windows-1252, named", C.h + "C-1,ada@example.com,555-0101,Łódź – € 5,~\n".replace("Łódź", "Köln"), ["2: C-1 | ada@example.com | 555-0101 | Köln – € 5"], encoding="cp1252", wants={"encoding": "windows-1252"}),
    C.case("Windows-1252, not named", C.h + "C-1,ada@example.com,555-0101,Köln,~\n", encoding="cp1252", rejected="not_utf8"),
    C.case("Windows-1252 with a byte that it does not have", _t(C.h) + b"C-1,ada@example.com,555-0101,K\x81ln," + _t("~\n" + C.r[2]), [C.at(3, 2)], ["2: undecodable"], wants={"encoding": "windows-1252"}),
    C.case("Windows-1250", C.h + "C-1,ada@example.com,555-0101,Łódź,~\n", ["2: C-1 | ada@example.com | 555-0101 | Łódź"], encoding="cp1250", wants={"encoding": "windows-1250"}),
    C.case("Windows-1251", C.h + "C-1,ada@example.com,555-0101,София,~\n", ["2: C-1 | ada@example.com | 555-0101 | София"], encoding="cp1251", wants={"encoding": "windows-1251"}),
    C.case("ISO-8859-1", C.h + "C-1,ada@example.com,555-0101,Malmö,~\n", ["2: C-1 | ada@example.com | 555-0101 | Malmö"], encoding="iso-8859-1", wants={"encoding": "iso-8859-1"}),
    C.case("ISO-8859-2", C.h + "C-1,ada@example.com,555-0101,Győr,~\n", ["2: C-1 | ada@example.com | 555-0101 | Győr"], encoding="iso-8859-2", wants={"encoding": "iso-8859-2"}),
    C.case("ISO-8859-15", C.h + "C-1,ada@example.com,555-0101,5 €,~\n", ["2: C-1 | ada@example.com | 555-0101 | 5 €"], encoding="iso-8859-15", wants={"encoding": "iso-8859-15"}),
    C.case("code page 850, of a German till", C.h + "C-1,ada@example.com,555-0101,Gießen,~\r\n", ["2: C-1 | ada@example.com | 555-0101 | Gießen"], encoding="cp850", wants={"encoding": "cp850"}),
    C.case("code page 437", C.h + "C-1,ada@example.com,555-0101,Münster,~\r\n", ["2: C-1 | ada@example.com | 555-0101 | Münster"], encoding="cp437", wants={"encoding": "cp437"}),
    C.case("Mac Roman with CR", (C.h + "C-1,ada@example.com,555-0101,Zürich,~\n").replace("\n", "\r"), ["2: C-1 | ada@example.com | 555-0101 | Zürich"], encoding="mac-roman", wants={"encoding": "mac-roman"}),
    C.case("the mark wins over the contract", "\ufeff" + C.h + "C-1,ada@example.com,555-0101,Köln,~\n", ["2: C-1 | ada@example.com | 555-0101 | Köln"], wants={"encoding": "windows-1252"}),
    C.case("the mark of UTF-16 wins over the contract", "\ufeff" + C.h + "C-1,ada@example.com,555-0101,Köln,~\n", ["2: C-1 | ada@example.com | 555-0101 | Köln"], encoding="utf-16-le", wants={"encoding": "windows-1252"}),
    C.case("UTF-8 by contract", C.h + "C-1,ada@example.com,555-0101,Köln,~\n", ["2: C-1 | ada@example.com | 555-0101 | Köln"], wants={"encoding": "utf-8"}),
    S.case("a wrong byte behind a mark costs its record", _B + _t(S.h) + b"S-1,O-\xff,5.00,," + _t("~\n" + S.r[2]), [S.at(3, 2)], ["2: undecodable"]),
    S.case("a character cut off at the end, behind a mark", _B + _t(S.h + S.r[1]) + b"S-2,O-\xe2\x82", [S.at(2, 1)], ["3: undecodable"]),
    S.case("surrogates written as UTF-8", _t(S.h) + b"S-1,\xed\xa0\xbd,5.00,," + _t("~\n"), rejected="not_utf8"),
    S.case("an overlong slash", _t(S.h) + b"S-1,\xc0\xaf,5.00,," + _t("~\n"), rejected="not_utf8"),
    S.case("two files one behind the other, both with marks", "\ufeff" + S.h + S.r[1] + "\ufeff" + S.h + S.r[2], [S.at(2, 1), S.at(4, 2)], ["3: created_timestamp_not_a_timestamp,shipping_cost_not_a_number,actual_delivery_not_a_date"]),
]  # fmt: skip

DELIMITERS = [
    O.case("semicolons", (O.h + O.r[1]).replace(",", ";"), [O.at(2, 1)]),
    C.case("tabs", (C.h + C.r[1]).replace(",", "\t"), [C.at(2, 1)]),
    I.case("bars", (I.h + I.r[1]).replace(",", "|"), [I.at(2, 1)]),
    I.case("a delimiter that the contract names", (I.h + I.r[1]).replace(",", "|"), [I.at(2, 1)], wants={"delimiter": "|"}),
    I.case("another one than the contract names", I.h + I.r[1], rejected="header_missing_columns", wants={"delimiter": ";"}),
    P.case("other delimiters are text", P.h + "P-1,a;b|c\td,20.00,,~\n", ["2: P-1 | a;b|c\td | 20.00 | -"]),
    P.case("the delimiter in quotes is text", P.h + 'P-1,"Lamp, red",20.00,,~\n', ["2: P-1 | Lamp, red | 20.00 | -"]),
    P.case("semicolons, commas in the cells", P.h.replace(",", ";") + "P-1;Lamp, red;20.00;;~\n", ["2: P-1 | Lamp, red | 20.00 | -"]),
    O.case("sep=; before the header", "sep=;\r\n" + (O.h + O.r[1]).replace(",", ";").replace("\n", "\r\n"), [O.at(3, 1)]),
    O.case("sep=, behind a mark", "\ufeffsep=,\n" + O.h + O.r[1] + O.r[2], [O.at(3, 1), O.at(4, 2)]),
    O.case("SEP= and a tab", "SEP=\t\n" + (O.h + O.r[1]).replace(",", "\t"), [O.at(3, 1)]),
    O.case("sep=^, which no header suggests", "sep=^\n" + (O.h + O.r[1]).replace(",", "^"), [O.at(3, 1)]),
    O.case("sep= in UTF-16", "\ufeffsep=\t\r\n" + (O.h + O.r[1]).replace(",", "\t"), [O.at(3, 1)], encoding="utf-16-le"),
    O.case("sep= and another delimiter", "sep=;\n" + O.h + O.r[1], rejected="header_missing_columns"),
    O.case("sep= that is not the first line", "\nsep=,\n" + O.h + O.r[1], rejected="header_missing_columns"),
    O.case("sep= later is a record", O.h + "sep=,\n" + O.r[1], [O.at(3, 1)], ["2: too_few_cells"]),
]  # fmt: skip

LINES = [
    S.case("LF", S.h + S.r[1] + S.r[2], [S.at(2, 1), S.at(3, 2)]),
    S.case("CRLF", (S.h + S.r[1] + S.r[2]).replace("\n", "\r\n"), [S.at(2, 1), S.at(3, 2)]),
    S.case("CR", (S.h + S.r[1] + S.r[2]).replace("\n", "\r"), [S.at(2, 1), S.at(3, 2)]),
    S.case("all line ends in one file", S.h + S.r[1].replace("\n", "\r\n") + S.r[2].replace("\n", "\r") + S.r[3], [S.at(2, 1), S.at(3, 2), S.at(4, 3)]),
    S.case("no line end at the end", (S.h + S.r[1])[:-1], [S.at(2, 1)]),
    S.case("CRLF, none at the end", (S.h + S.r[1]).replace("\n", "\r\n")[:-2], [S.at(2, 1)]),
    S.case("CR CR LF, of a file that was converted twice", (S.h + S.r[1] + S.r[2]).replace("\n", "\r\r\n"), [S.at(3, 1), S.at(5, 2)]),
    S.case("blank lines first", "\n\n" + S.h + S.r[1], [S.at(4, 1)]),
    S.case("blank lines between", S.h + "\n" + S.r[1] + "\r\n\n" + S.r[2], [S.at(3, 1), S.at(6, 2)]),
    S.case("blank lines last", S.h + S.r[1] + "\n\n\n", [S.at(2, 1)]),
    S.case("a line of blanks", S.h + "   \n" + S.r[1], [S.at(3, 1)], ["2: too_few_cells"]),
    S.case("the end mark of DOS", (S.h + S.r[1]).replace("\n", "\r\n") + "\x1a", [S.at(2, 1)], ["3: too_few_cells"]),
    P.case("line ends that are none", P.h + "P-1,a\u2028b\u0085c\x0bd\x0ce,20.00,,~\n", ["2: P-1 | a\u2028b\u0085c\x0bd\x0ce | 20.00 | -"]),
]  # fmt: skip

QUOTES = [
    P.case("a quoted newline", P.h + 'P-1,"Desk\nlamp",20.00,,~\n' + P.r[2], ["2: P-1 | Desk\nlamp | 20.00 | -", P.at(4, 2)]),
    P.case("a quoted CRLF", (P.h + 'P-1,"Desk\nlamp",20.00,,~\n' + P.r[2]).replace("\n", "\r\n"), ["2: P-1 | Desk\r\nlamp | 20.00 | -", P.at(4, 2)]),
    P.case("a cell over four lines, one of them blank", P.h + 'P-1,"a\n\nb\nc",20.00,,~\n' + P.r[2], ["2: P-1 | a\n\nb\nc | 20.00 | -", P.at(6, 2)]),
    P.case("every cell quoted", '"product_id","product_name","price","discontinued","created_timestamp"\r\n"P-1","Lamp","20.00","","~"\r\n', ["2: P-1 | Lamp | 20.00 | -"]),
    P.case("doubled quotes", P.h + 'P-1,"19"" desk",20.00,,~\n', ['2: P-1 | 19" desk | 20.00 | -']),
    P.case("nothing but a quote in a cell", P.h + 'P-1,"""",20.00,,~\n', ['2: P-1 | " | 20.00 | -']),
    P.case("quoted emptiness is NULL", P.h + 'P-1,"",20.00,"",~\n', ["2: P-1 | - | 20.00 | -"]),
    P.case("inches", P.h + 'P-1,19" desk,20.00,,~\n' + P.r[2], [P.at(3, 2)], ["2: stray_quote"]),
    P.case("two quotes inside a cell", P.h + 'P-1,a "red" lamp,20.00,,~\n' + P.r[2], [P.at(3, 2)], ["2: stray_quote"]),
    P.case("a blank before a quote", P.h + 'P-1, "Lamp",20.00,,~\n' + P.r[2], [P.at(3, 2)], ["2: stray_quote"]),
    P.case("text behind a quote", P.h + 'P-1,"Lamp" red,20.00,,~\n' + P.r[2], [P.at(3, 2)], ["2: stray_quote"]),
    P.case("a backslash does not escape", P.h + 'P-1,"19\\" desk",20.00,,~\n' + P.r[2], [P.at(3, 2)], ["2: stray_quote"]),
    O.case("an unclosed quote in the first cell", O.h + '"O-1,C-1,20.00,1 Main St,~\n' + O.r[2], [O.at(3, 2)], ["2: unclosed_quote"]),
    O.case("an unclosed quote in the middle", O.h + O.r[1] + 'O-2,C-1,20.00,"1 Main St,~\n' + O.r[3], [O.at(2, 1), O.at(4, 3)], ["3: unclosed_quote"]),
    O.case("an unclosed quote in the last line", O.h + O.r[1] + 'O-2,C-1,20.00,"1 Main', [O.at(2, 1)], ["3: unclosed_quote"]),
    O.case("an unclosed quote before a quoted record", O.h + 'O-1,C-1,20.00,"1 Main St,~\nO-2,C-1,20.00,"1 Main St",~\n', ["3: O-2 | C-1 | 20.00 | 1 Main St"], ["2: unclosed_quote"]),
    O.case("two unclosed quotes, far apart", O.h + 'O-1,C-1,20.00,"x,~\n' + O.r[2] + 'O-3,C-1,20.00,"x,~\n' + O.r[4], [O.at(3, 2), O.at(5, 4)], ["2: unclosed_quote", "4: unclosed_quote"]),
    O.case("a quoted cell over too many lines", O.h + 'O-1,C-1,20.00,"' + "\n" * 1001 + 'x",~\n' + O.r[2], [O.at(1004, 2)], ["2: unclosed_quote", "1003: stray_quote"]),
    O.case("apostrophes are text", O.h + "O-1,'C-1',20.00,1 O'Neil St,~\n", ["2: O-1 | 'C-1' | 20.00 | 1 O'Neil St"]),
    O.case("printers' quotes are text", O.h + "O-1,C-1,20.00,„Haus“ 1,~\n", ["2: O-1 | C-1 | 20.00 | „Haus“ 1"]),
]  # fmt: skip

NULS = [
    I.case("NUL in a record", I.h + "P-1,W\0-1,10,,~\n" + I.r[2], [I.at(3, 2)], ["2: nul_byte"]),
    I.case(
        "NUL in quotes over two lines",
        I.h + 'P-1,"W\n\0-1",10,,~\n' + I.r[2],
        [I.at(4, 2)],
        ["2: unclosed_quote", "3: nul_byte"],
    ),
    I.case("a tail of NULs, after a crash", I.h + I.r[1] + "\0" * 512, [I.at(2, 1)], ["3: nul_byte"]),
    I.case("NUL in the header", I.h.replace("last_audit", "last\0audit") + I.r[1], rejected="not_a_table"),
]

RAGGED = [
    I.case("a cell too few", I.h + "P-1,W-1,10,~\n" + I.r[2], [I.at(3, 2)], ["2: too_few_cells"]),
    I.case("a cell too many", I.h + "P-1,W-1,10,2025-02-28,~,new\n" + I.r[2], [I.at(3, 2)], ["2: too_many_cells"]),
    I.case("the file of another feed", O.h + O.r[1], rejected="header_missing_columns"),
    O.case("an amount with a decimal comma between commas", O.h + "O-1,C-1,20,00,1 Main St,~\n" + O.r[2], [O.at(3, 2)], ["2: too_many_cells"]),
    O.case("a delimiter too many behind every record", O.h + O.r[1].replace("\n", ",\n") + O.r[2], [O.at(3, 2)], ["2: too_many_cells"]),
    O.case("a delimiter too many behind every line", (O.h + O.r[1]).replace("\n", ",\n"), [O.at(2, 1)]),
    O.case("a delimiter too many behind the header alone", O.h.replace("\n", ",\n") + O.r[1] + O.r[2].replace("\n", ",\n"), [O.at(3, 2)], ["2: too_few_cells"]),
    O.case("empty columns on the right", (O.h + O.r[1] + O.r[2]).replace("\n", ",,,\n"), [O.at(2, 1), O.at(3, 2)]),
    O.case("a note in a column without a name", (O.h + O.r[1]).replace("\n", ",,\n") + O.r[2].replace("\n", ",,call him\n"), [O.at(2, 1), O.at(3, 2)], drift="column 7"),
    O.case("empty rows below", O.h + O.r[1] + ",,,,\n,,,,\n", [O.at(2, 1)], ["3: order_id_missing,sequence_missing,customer_id_missing,order_amount_missing"], repeated=1),
    O.case("a transfer that broke off", (O.h + O.r[1] + O.r[2])[:-25], [O.at(2, 1)], ["3: too_few_cells"]),
    O.case("a line of totals below", O.h + O.r[1] + "Total: 1\n", [O.at(2, 1)], ["3: too_few_cells"]),
]  # fmt: skip

HEADERS = [
    C.case("another order", "city,created_timestamp,phone,email,customer_id\nLeeds,~,555-0101,ada@example.com,C-1\n", [C.at(2, 1)]),
    C.case("capitals, blanks and dashes", "Customer ID, E-MAIL ,PHONE,City,created-timestamp\n".replace("E-MAIL", "email") + C.r[1], [C.at(2, 1)]),
    C.case("quoted names", '"customer_id","email","phone","city","created_timestamp"\n' + C.r[1], [C.at(2, 1)]),
    C.case("names of the source", "Kundennummer,Mail,phone,city,created_timestamp\n" + C.r[1], [C.at(2, 1)], wants={"names": {"customer_id": "Kundennummer", "email": "mail"}}),
    C.case("a column that nobody knows", C.h.replace("\n", ",Loyalty Points\n") + C.r[1].replace("\n", ",12\n"), [C.at(2, 1)], drift="Loyalty Points"),
    C.case("a column may be absent", "customer_id,email,phone,created_timestamp\nC-1,ada@example.com,555-0101,~\n", ["2: C-1 | ada@example.com | 555-0101 | -"]),
    C.case("the later time will do", "customer_id,email,phone,updated_timestamp\nC-1,ada@example.com,555-0101,~\n", ["2: C-1 | ada@example.com | 555-0101 | -"], times={2: ""}),
    C.case("a required column is missing", "customer_id,email,city,created_timestamp\n", rejected="header_missing_columns"),
    C.case("no time at all", "customer_id,email,phone,city\n", rejected="header_missing_columns"),
    C.case("two columns of one meaning", C.h.replace("city", "EMAIL") + C.r[1], rejected="header_ambiguous"),
    C.case("two unknown columns of one name", C.h.replace("\n", ",note,note\n"), rejected="header_ambiguous"),
    C.case("no header", C.r[1] + C.r[2], rejected="header_missing"),
    C.case("a title above the header", "Customers of March\n" + C.h + C.r[1], rejected="header_missing_columns"),
    C.case("a comment above the header", "# exported by hand\n" + C.h + C.r[1], rejected="header_missing_columns"),
    C.case("an unclosed quote in the header", '"customer_id,email,phone,city,created_timestamp\n' + C.r[1], rejected="not_a_table"),
    C.case("a name over two lines", C.h.replace("\n", ',"gift\nnote"\n') + C.r[1].replace("\n", ",x\n"), [C.at(3, 1)], drift='"gift\nnote"'),
    C.case("too many columns", C.h[:-1] + "".join(f",x{n}" for n in range(1996)) + "\n", rejected="not_a_table"),
    S.case("the header again", S.h + S.r[1] + S.h + S.r[2], [S.at(2, 1), S.at(4, 2)], ["3: repeated_header"]),
    S.case("the header again, quoted", S.h + S.r[1] + '"shipping_id",order_id,shipping_cost,actual_delivery,"created_timestamp"\n', [S.at(2, 1)], ["3: repeated_header"]),
    S.case("only the header", S.h),
    S.case("the header without a line end", S.h[:-1]),
    S.case("nothing", b"", rejected="file_empty"),
    S.case("only a mark", _B, rejected="file_empty"),
    S.case("only blank lines", b"\r\n\r\n", rejected="file_empty"),
]  # fmt: skip

OTHER_FORMATS = [
    I.case("an Excel workbook", b"PK\x03\x04\x14\0\x06\0" + bytes(99), rejected="not_csv"),
    I.case("an old Excel workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), rejected="not_csv"),
    I.case("a PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", rejected="not_csv"),
    I.case("a page that asks to sign in", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", rejected="not_csv"),
    I.case("XML", b'<?xml version="1.0"?>\n<stock/>\n', rejected="not_csv"),
    I.case("JSON", b'[{"product_id": "P-1"}]\n', rejected="not_csv"),
    I.case("Parquet", b"PAR1\x15\x04" + bytes(99), rejected="not_csv"),
    I.case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), rejected="not_csv"),
    I.case("zstd", b"\x28\xb5\x2f\xfd" + bytes(99), rejected="not_csv"),
]

HUGE = [
    O.case("a cell of half a megabyte", O.h + "O-1,C-1,20.00," + "x" * 500_000 + ",~\n" + O.r[2], ["2: O-1 | C-1 | 20.00 | " + "x" * 500_000, O.at(3, 2)]),
    O.case("a line over a megabyte", O.h + "O-1,C-1,20.00," + "x" * (1 << 20) + ",~\n" + O.r[2], [O.at(3, 2)], ["2: line_too_long"]),
    O.case("a quoted record over a megabyte", O.h + 'O-1,C-1,20.00,"' + ("x" * 2000 + "\n") * 600 + '",~\n' + O.r[2], [O.at(603, 2)], ["2: unclosed_quote", *(f"{n}: too_few_cells" for n in range(3, 602)), "602: unclosed_quote"]),
]  # fmt: skip


def _one(feed: _Feed, name: str, text: str, good: str = "", bad: str = "", **more: Any) -> Case:
    """A file of one record, in line 2."""
    return feed.case(name, feed.h + text + "\n", [f"2: {good}"] if good else [], [f"2: {bad}"] if bad else [], **more)


_COMMA = {"decimal_mark": ",", "delimiter": ";"}


def _german(cell: str, good: str = "", bad: str = "") -> Case:
    text = (O.h + "O-1,C-1,{},1 Main St,~\n").replace(",", ";").format(cell)
    found = [f"2: O-1 | C-1 | {good} | 1 Main St"] if good else []
    return O.case(f"an amount with a decimal comma: {cell}", text, found, [f"2: {bad}"] if bad else [], wants=_COMMA)


def _amount(cell: str, good: str = "", bad: str = "") -> Case:
    shown_row = f"O-1 | C-1 | {good} | 1 Main St" if good else ""
    return _one(O, f"an amount: {cell}", f"O-1,C-1,{cell},1 Main St,~", shown_row, bad)


_NO_NUMBER = "order_amount_not_a_number"
NUMBERS = [
    _amount(" 1299.90 ", "1299.90"),
    _amount("20", "20.00"),
    _amount("+20.5", "20.50"),
    _amount("20.000", "20.00"),
    _amount("20.005", bad=_NO_NUMBER),
    _amount('"1,299.90"', bad=_NO_NUMBER),
    _amount("1 299.90", bad=_NO_NUMBER),
    _amount("20.00 USD", bad=_NO_NUMBER),
    _amount("$20.00", bad=_NO_NUMBER),
    _amount("1.23E+3", bad=_NO_NUMBER),
    _amount("NaN", bad=_NO_NUMBER),
    _amount("Infinity", bad=_NO_NUMBER),
    _amount(".5", bad=_NO_NUMBER),
    _amount("２０", bad=_NO_NUMBER),
    _amount("20.00\u00a0", bad=_NO_NUMBER),
    _amount("12345678901234567.00", bad=_NO_NUMBER),
    _amount("(20.00)", bad=_NO_NUMBER),
    _amount("-20.00", bad="order_amount_not_positive"),
    _amount("0", bad="order_amount_not_positive"),
    _amount("  ", bad="order_amount_missing"),
    _german("1299,90", "1299.90"),
    _german("20", "20.00"),
    _german("1.299,90", bad=_NO_NUMBER),
    _german("20.00", bad=_NO_NUMBER),
    _german("20,-", bad=_NO_NUMBER),
    _german("20,00 €", bad=_NO_NUMBER),
    _one(I, "a whole number", "P-1,W-1,0010,,~", "P-1 | W-1 | 10 | -"),
    _one(I, "a whole number with a point", "P-1,W-1,10.0,,~", "P-1 | W-1 | 10 | -"),
    _one(I, "half a piece", "P-1,W-1,10.5,,~", bad="stock_quantity_not_an_integer"),
    _one(I, "nineteen digits", "P-1,W-1,1234567890123456789,,~", bad="stock_quantity_not_an_integer"),
    _one(I, "a number in words", "P-1,W-1,not stocked,,~", bad="stock_quantity_not_an_integer"),
    _one(I, "less than nothing", "P-1,W-1,-1,,~", bad="stock_quantity_negative"),
    _one(P, "TRUE", "P-1,Lamp,20.00,TRUE,~", "P-1 | Lamp | 20.00 | true"),
    _one(P, "WAHR", "P-1,Lamp,20.00,WAHR,~", "P-1 | Lamp | 20.00 | true"),
    _one(P, "FALSCH", "P-1,Lamp,20.00,FALSCH,~", "P-1 | Lamp | 20.00 | false"),
    _one(P, "perhaps", "P-1,Lamp,20.00,perhaps,~", bad="discontinued_not_a_boolean"),
]

_UK, _US = {"formats": {"actual_delivery": ["dd/MM/yyyy"]}}, {"formats": {"actual_delivery": ["M/d/yyyy"]}}
_DE = {"formats": {"actual_delivery": ["dd.MM.yyyy"]}}
_NO_DATE, _NO_TIME = "actual_delivery_not_a_date", "created_timestamp_not_a_timestamp"


def _day(cell: str, good: str = "", bad: str = "", by: str = "ISO", wants: Mapping[str, object] | None = None) -> Case:
    shown_row = f"S-1 | O-1 | 5.00 | {good}" if good else ""
    return _one(S, f"a date, {by}: {cell}", f"S-1,O-1,5.00,{cell},~", shown_row, bad, wants=wants or {})


def _moment(cell: str, time: str = "", bad: str = "", **wants: object) -> Case:
    shown_row = "S-1 | O-1 | 5.00 | -" if time else ""
    said = ", ".join(map(str, wants.values()))
    return _one(
        S, f"a time: {cell} {said}".strip(), f"S-1,O-1,5.00,,{cell}", shown_row, bad, times={2: time}, wants=wants
    )


TIMES = [
    _day("2025-02-28", "2025-02-28"),
    _day("2024-02-29", "2024-02-29"),
    _day("2025-02-29", bad=_NO_DATE),
    _day("2025-02-28T00:00:00Z", "2025-02-28"),
    _day("2025-02-28 08:00", bad=_NO_DATE),
    _day("0000-00-00", bad=_NO_DATE),
    _day("20250228", bad=_NO_DATE),
    _day("45716", bad=_NO_DATE),
    _day("NULL", bad=_NO_DATE),
    _day("\\N", bad=_NO_DATE),
    _day("28.02.2025", bad=_NO_DATE),
    _day("02/28/2025", bad=_NO_DATE),
    _day("28.02.2025", "2025-02-28", by="German", wants=_DE),
    _day("2025-02-28", "2025-02-28", by="German", wants=_DE),
    _day("30.02.2025", bad=_NO_DATE, by="German", wants=_DE),
    _day("28.02.25", bad=_NO_DATE, by="German", wants=_DE),
    _day("01/02/2025", "2025-02-01", by="British", wants=_UK),
    _day("02/28/2025", bad=_NO_DATE, by="British", wants=_UK),
    _day("1/2/2025", "2025-01-02", by="American", wants=_US),
    _day("12/31/2024", "2024-12-31", by="American", wants=_US),
    _day("28/2/2025", bad=_NO_DATE, by="American", wants=_US),
    _moment("2025-03-01T08:00:00.250+01:00", "2025-03-01 07:00:00.250000"),
    _moment("2025-03-01 08:00", "2025-03-01 08:00:00"),
    _moment("2025-03-01", "2025-03-01 00:00:00"),
    _moment("2025-03-01 08:00:00", "2025-03-01 07:00:00", timezone="Europe/Berlin"),
    _moment("2024-10-27 02:30:00", "2024-10-27 00:30:00", timezone="Europe/Berlin"),
    _moment("2024-03-31 02:30:00", "2024-03-31 01:30:00", timezone="Europe/Berlin"),
    _moment("01.03.2025 08:00", "2025-03-01 08:00:00", formats={"created_timestamp": ["dd.MM.yyyy HH:mm"]}),
    _moment("3/1/2025 8:00", "2025-03-01 08:00:00", formats={"created_timestamp": ["M/d/yyyy H:mm"]}),
    _moment("2025-03-01 24:00", bad=_NO_TIME),
    _moment("1740816000", bad=_NO_TIME),
    _moment("3/1/2025 8:00 AM", bad=_NO_TIME),
    _moment("", bad="sequence_missing"),
    _moment("2052-03-01 08:00", bad="sequence_ahead"),
]

IDS = [
    _one(O, "a number that lost its digits, German", '"1,23E+11",C-1,20.00,x,~', bad="order_id_damaged"),
    _one(O, "a number that lost its digits, English", "1.23E+11,C-1,20.00,x,~", bad="order_id_damaged"),
    _one(O, "a customer that lost its digits", 'O-1,"1,23457E+17",20.00,x,~', bad="customer_id_damaged"),
    _one(P, "a reference that leads nowhere, German", "#BEZUG!,Lamp,20.00,,~", bad="product_id_damaged"),
    _one(P, "a reference that leads nowhere, English", "#REF!,Lamp,20.00,,~", bad="product_id_damaged"),
    _one(S, "a column that was too narrow", "########,O-1,5.00,,~", bad="shipping_id_damaged"),
    _one(C, "zeros at the beginning stay", "000123,ada@example.com,555-0101,Leeds,~", "000123 | ada@example.com | 555-0101 | Leeds"),
    _one(C, "blanks around an id", " C-1 ,ada@example.com,555-0101,Leeds,~", "C-1 | ada@example.com | 555-0101 | Leeds"),
    _one(C, "an id of blanks", "   ,ada@example.com,555-0101,Leeds,~", bad="customer_id_missing"),
    _one(C, "a formula stays text", "=1+1,ada@example.com,555-0101,Leeds,~", "=1+1 | ada@example.com | 555-0101 | Leeds"),
    _one(C, "no address", "C-1,ada at example.com,555-0101,Leeds,~", bad="email_invalid"),
    _one(C, "all that is wrong is said", ",,,Leeds,yesterday", bad="customer_id_missing,created_timestamp_not_a_timestamp,email_missing,phone_missing"),
]  # fmt: skip

REPEATS = [
    I.case("a record twice", I.h + I.r[1] + I.r[2] + I.r[1], [I.at(2, 1), I.at(3, 2)], repeated=1),
    I.case("a record four times", I.h + I.r[1] * 4, [I.at(2, 1)], repeated=3),
    I.case("a record twice, quoted once", I.h + I.r[1] + I.r[1].replace("W-1", '"W-1"'), [I.at(2, 1)], repeated=1),
    I.case("a record twice, once with a blank", I.h + I.r[1] + I.r[1].replace("W-1", " W-1"), [I.at(2, 1), I.at(3, 1)]),
    I.case("an unsound record twice", I.h + ",W-1,1,,~\n" * 2, [], ["2: product_id_missing"], repeated=1),
    I.case("an unreadable line twice", I.h + "x\n" * 2, [], ["2: too_few_cells", "3: too_few_cells"]),
    I.case("twice, but for an unknown column", I.h.replace("\n", ",note\n") + I.r[1].replace("\n", ",a\n") + I.r[1].replace("\n", ",b\n"), [I.at(2, 1), I.at(3, 1)], drift="note"),
    S.case("a delete needs its key and its time", S.h.replace("\n", ",_op\n") + "S-1,O-1,,,~,D\n,,,,~,D\nS-3,O-1,5.00,,~,X\n", ["2: S-1 | O-1 | - | -"], ["3: shipping_id_missing,order_id_missing", "4: op_unknown"]),
]  # fmt: skip

_EXCEL = {"encoding": "windows-1252", "decimal_mark": ",", "formats": {"created_timestamp": ["dd.MM.yyyy HH:mm"]}}
_EXCEL_US = {"encoding": "windows-1252", "formats": {"created_timestamp": ["M/d/yyyy H:mm"]}}
_GERMAN = "product_id;product_name;price;discontinued;created_timestamp\r\nP-1;Stehlampe „Köln“;1299,90;FALSCH;01.03.2025 08:00\r\n"
_GERMAN_ROW = ["2: P-1 | Stehlampe „Köln“ | 1299.90 | false"]
_ENGLISH = (
    "product_id,product_name,price,discontinued,created_timestamp\r\nP-1,“Cologne” lamp,1299.9,FALSE,3/1/2025 8:00\r\n"
)
_ENGLISH_ROW = ["2: P-1 | “Cologne” lamp | 1299.90 | false"]
SPREADSHEETS = [
    P.case("Excel, German, CSV", _GERMAN, _GERMAN_ROW, encoding="cp1252", wants=_EXCEL),
    P.case("Excel, German, CSV UTF-8", _GERMAN, _GERMAN_ROW, encoding="utf-8-sig", wants=_EXCEL),
    P.case("Excel, German, Unicode text", "\ufeff" + _GERMAN.replace(";", "\t"), _GERMAN_ROW, encoding="utf-16-le", wants=_EXCEL),
    P.case("Excel, German, empty columns and rows", _GERMAN.replace("\r\n", ";;\r\n") + ";;;;;;\r\n", _GERMAN_ROW, ["3: product_id_missing,sequence_missing,price_missing"], encoding="cp1252", wants=_EXCEL),
    P.case("Excel, English, CSV", _ENGLISH, _ENGLISH_ROW, encoding="cp1252", wants=_EXCEL_US),
    P.case("Excel, English, CSV UTF-8", _ENGLISH, _ENGLISH_ROW, encoding="utf-8-sig", wants=_EXCEL_US),
    P.case("Excel, English, on a Mac", _ENGLISH.replace("\r\n", "\r"), _ENGLISH_ROW, encoding="mac-roman", wants=_EXCEL_US | {"encoding": "mac-roman"}),
    P.case("Excel, English, sep= and UTF-8 without a mark", "sep=,\r\n" + _ENGLISH, ["3" + _ENGLISH_ROW[0][1:]], wants=_EXCEL_US | {"encoding": "utf-8"}),
    P.case("LibreOffice, all texts quoted", '"product_id","product_name","price","discontinued","created_timestamp"\n"P-1","Lamp",1299.9,"FALSE","2025-03-01 08:00:00"\n', ["2: P-1 | Lamp | 1299.90 | false"]),
    P.case("Google Sheets", "product_id,product_name,price,discontinued,created_timestamp\r\nP-1,\"Lamp, red\",1299.9,FALSE,2025-03-01 08:00:00", ["2: P-1 | Lamp, red | 1299.90 | false"]),
]  # fmt: skip

_GZ = gzip.compress(_t(C.h + C.r[1] + C.r[2]), mtime=0)
_TWO = [C.at(2, 1), C.at(3, 2)]


def _packed(name: str, data: bytes, good: Sequence[str] = (), rejected: str = "", **more: Any) -> Case:
    return C.case(name, data, good, rejected=rejected, file_name="delivery.csv.gz", **more)


PACKED = [
    _packed("gzip", _GZ, _TWO),
    _packed("gzip in members, also within a record", b"".join(gzip.compress(part) for part in (_t(C.h), _t(C.r[1])[:9], _t(C.r[1])[9:], _t(C.r[2]))), _TWO),
    _packed("gzip with zeros behind it, as tapes add them", _GZ + bytes(512), _TWO),
    _packed("gzip with an empty member", _GZ + gzip.compress(b""), _TWO),
    _packed("gzip, UTF-16", gzip.compress(("\ufeff" + C.h + C.r[1]).replace("~", TIME).encode("utf-16-le")), [C.at(2, 1)]),
    _packed("gzip of nothing", gzip.compress(b""), rejected="file_empty"),
    _packed("gzip cut off", _GZ[:-20], rejected="gzip_cut_off"),
    _packed("gzip without its last bytes", _GZ[:-1], rejected="gzip_cut_off"),
    _packed("gzip with a wrong check sum", _GZ[:-8] + bytes(4) + _GZ[-4:], rejected="gzip_damaged"),
    _packed("gzip with a wrong byte inside", _GZ[:30] + b"\xff" + _GZ[31:], rejected="gzip_damaged"),
    _packed("gzip with something behind it", _GZ + _t(C.r[3]), rejected="gzip_damaged"),
    _packed("gzip that unpacks to far more", gzip.compress(bytes(80 << 20), 9), rejected="gzip_too_large"),
    _packed("gzip in gzip", gzip.compress(_GZ), rejected="not_csv"),
    _packed("no gzip but called so", _t(C.h + C.r[1]), [C.at(2, 1)]),
    C.case("gzip under another name", _GZ, rejected="not_csv"),
]  # fmt: skip

CASES = (
    ENCODINGS + DELIMITERS + LINES + QUOTES + NULS + RAGGED + HEADERS + OTHER_FORMATS + HUGE + NUMBERS + TIMES + IDS
    + REPEATS + SPREADSHEETS + PACKED
)  # fmt: skip
