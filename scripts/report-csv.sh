#!/usr/bin/env bash
# Opens a report's file in LibreOffice as Excel with the settings of Vietnam would: UTF-8, semicolons, vi-VN. Each cell must
# have its column and its type, and none may be a formula. Takes a minute.
#
# Needs LibreOffice Calc (apt-get install --no-install-recommends libreoffice-calc, 400 MB), so it is run by hand, and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
${CARGO:-cargo} build

place=$(mktemp -d)
service=
stop() {
    if [[ -n $service ]]; then kill "$service" && wait "$service" || true; fi
    rm -rf "$place"
}
trap stop EXIT
export TRUYCAP_LISTEN__PUBLIC=127.0.0.1:0 TRUYCAP_LISTEN__ADMIN=127.0.0.1:0 TRUYCAP_LOG__FORMAT=json
export TRUYCAP_STORE__URL="sqlite:$place/truycap.db" TRUYCAP_JOURNAL__PATH="$place/journal.db"
cat >"$place/rows.csv" <<'ROWS'
site,article,period,views
portal,,2026-10-01,8307145
portal,/tin/bài-1,2026-10-01,900
portal,"=1+""a""",2026-10-01,800
portal,-2+3,2026-10-01,700
portal,"/tin/có;dấu ""chấm phẩy""",2026-10-01,600
ROWS
target/debug/truycap import "$place/rows.csv"
: >"$place/log"
target/debug/truycap serve 2>>"$place/log" &
service=$!

# The log has the port.
admin=
for _ in $(seq 100); do
    admin=$(grep -o '"admin":"[^"]*"' "$place/log" | head -1 | cut -d'"' -f4 || true)
    if [[ -n $admin ]]; then break; fi
    sleep 0.1
done
curl --silent --fail "http://$admin/v1/sites/portal/report.csv?year=2026" --output "$place/report.csv"

# Separator 59 (;), quote 34, UTF-8 (76), from line 1, columns as they are, 1066 is vi-VN, numbers and dates recognised.
soffice "-env:UserInstallation=file://$place/profile" --headless --infilter="CSV:59,34,76,1,,1066,false,true" \
    --convert-to fods --outdir "$place" "$place/report.csv" >/dev/null 2>&1
python3 - "$place/report.fods" <<'CHECK'
import sys
import xml.etree.ElementTree as xml

names = "urn:oasis:names:tc:opendocument:xmlns:"
office, table = f"{{{names}office:1.0}}", f"{{{names}table:1.0}}"


def cells(row):
    found = []
    for cell in row.iter(f"{table}table-cell"):
        assert cell.get(f"{table}formula") is None, "a cell is a formula"
        kind = cell.get(f"{office}value-type")
        value = cell.get(f"{office}value") or cell.get(f"{office}date-value") or "".join(cell.itertext()).strip()
        found += [(kind, value)] * int(cell.get(f"{table}number-columns-repeated", 1))
    return (found + [(None, "")] * 8)[:8]


rows = [cells(row) for row in xml.parse(sys.argv[1]).iter(f"{table}table-row")]
rows = [row for row in rows if row[0][1]]
assert [value for _, value in rows[0]] == ["Mục", "Nội dung", "Tiêu đề", "Từ ngày", "Đến ngày", "Lượt xem", "Lượt truy cập", "Số lần"], rows[0]
for row in rows[1:]:
    assert all(kind in ("string", None) for kind, _ in row[:3]), row
    assert all(kind in ("date", None) for kind, _ in row[3:5]), row
    assert all(kind in ("float", None) for kind, _ in row[5:]), row
sums = [row for row in rows if row[1][1] == "Tổng trong kỳ"]
assert [row[5] for row in sums] == [("float", "8307145")], sums
articles = [row[1][1] for row in rows if row[0][1] == "Bài được xem nhiều nhất"]
assert articles == ["/tin/bài-1", "'=1+\"a\"", "'-2+3", '/tin/có;dấu "chấm phẩy"'], articles
print(f"{len(rows)} rows, each cell in its column")
CHECK
