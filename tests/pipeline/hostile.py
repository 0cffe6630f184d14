"""What somebody who wants harm, or a broken program, may put into names, identifiers and cells."""

from __future__ import annotations

TARGETS = ("secret.csv", "etc/passwd", "landing/orders_data/source/orders.csv", "..", "")
WAYS = (
    "../{}", "../../{}", "/{}", "//{}", "./{}", "~/{}", "..\\{}", "C:\\{}", "C:{}", "\\\\host\\{}", "file:///{}",
    "%2e%2e/{}", "..%2f{}", "{}/", "{}\\", "a/../../{}", "....//{}", "{}\x00.csv", "\u202e{}", "\uff0e\uff0e/{}",
)  # fmt: skip
DEVICES = ("CON", "con.csv", "PRN.txt", "AUX", "NUL.csv", "COM1.csv", "LPT9", "CLOCK$")
SIGNS = "*?[]{}|<>:\"'`$&;!#\t\n\r\x1b\x7f\u200b\u2028\ufeff"
ODD = (
    "", " ", ".", "...", ".hidden.csv", "~$orders.csv", "-rf.csv", "--help", "orders.csv ", " orders.csv",
    "orders.csv.", "a" * 201 + ".csv", "a" * 5000, "ä" * 300, "$(touch x).csv", "`touch x`.csv", "; rm -rf ..csv",
    "| cat.csv", "*.csv", "orders_*.csv", "[a-z].csv", "{a,b}.csv", "a\nb.csv", "a\rb.csv", "\x1b[2J.csv",
    "\x1b]0;x\x07.csv", "Thumbs.db", ".DS_Store", "x.tmp", "x.crdownload", "CSV", "null", "None", "true", "0",
    "1e999", "{{7*7}}.csv",
    "<script>alert(1)</script>.csv", "' OR 1=1 --.csv", '"; DROP TABLE orders; --.csv', "\\u0000.csv", "\ud7ff.csv",
)  # fmt: skip
NAMES = (
    *(way.format(target) for way in WAYS for target in TARGETS),
    *DEVICES,
    *(f"orders{sign}x.csv" for sign in SIGNS),
    *ODD,
    *(f"{device}.{number}" for device in DEVICES[:4] for number in range(8)),
)
"""More than 200 names for files, most of them paths, devices, patterns or commands."""

WORDS = (
    "select", "from", "where", "table", "order", "group", "null", "true", "default", "user", "column", "index", "desc",
    "values", "primary", "key", "by", "and", "or", "not", "case", "end", "cast", "date", "timestamp", "interval",
)  # fmt: skip
IDENTIFIERS = (
    *WORDS,
    *(word.upper() + " " for word in WORDS[:10]),
    *(f"x{sign}y" for sign in SIGNS if sign not in "\n\r\"'"),
    *(f"_{name}" for name in ("rescued", "file_sha256", "record", "batch_id", "errors", "change", "start", "raw")),
    *(f"orders; DROP TABLE t{number}; --" for number in range(20)),
    *(f"' || read_text('/etc/passwd') || '{number}" for number in range(20)),
    *(f"x`; y{number}" for number in range(20)),
    *(f"${{{number}}}" for number in range(20)),
    *(f":name_{number}" for number in range(20)),
    *(f"?{number}" for number in range(10)),
    *(f"{'a' * number}" for number in (1, 63, 64, 65, 127, 128, 129, 200, 255)),
    *(f"ä{number}ß" for number in range(10)),
    *(f"__proto__{number}" for number in range(10)),
    *(f"%s%d%n{number}" for number in range(10)),
)
"""More than 200 names for columns and batches."""

PAYLOADS = (
    *(
        "' OR '1'='1",
        "'; DROP TABLE orders; --",
        '"; DROP TABLE orders; --',
        "') UNION SELECT 1 --",
        "1; SELECT 1",
        "\\'",
    ),
    *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")', "\t=1+1", "%0A=1+1"),
    *("${jndi:ldap://x/a}", "{{7*7}}", "#{7*7}", "<%= 7*7 %>", "${7*7}", "$(id)", "`id`", "|| id", "& id", "%PATH%"),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "]]>",
        "<!--",
        "&lt;",
        "&#0;",
    ),
    *(
        "../../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\win.ini",
        "\\\\host\\share",
        "file:///etc/passwd",
        "http://x",
    ),
    *("NULL", "null", "None", "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "1_000", "1,23E+11", "١٢٣"),
    *("true", "TRUE", "yes", "0", "-0", "00", "1e-400", "9" * 40, "-" + "9" * 40, "0." + "0" * 40 + "1", ".", "-", "+"),
    *("9999-12-31", "0000-00-00", "2025-02-30", "1582-10-10", "2025-03-01T25:00:00", "2025-03-01 12:00:00+99:99"),
    *("\x1b[31mred", "\x1b]0;title\x07", "\x07", "\x08", "\x7f", "\u200b", "\u202eevil", "\ufeff", "\u2028", "\ud7ff"),
    *("ﬃ", "İ", "ß", "𝔘𝔫𝔦", "👩‍👩‍👧‍👦", "é", "e\u0301", "\u0000".replace("\x00", "\\0"), "a" * 20_000, "漢" * 3000),
    *("{}", "[]", '{"a":', "{{", "}}", "%s%s%n", "%(x)s", "{0}", "{x.__class__}", ":name", "$name", "?", "\\", "\\n"),
    *("--", "/* x", "*/", "#", ";", "''", '""', "`", "| x", "a,b", "a;b", "a\nb", "a\r\nb"),
)
"""More than 100 texts for cells."""
