//! Days, periods and counts in the language of the reader.

use chrono::{Datelike, Days as Count, Months, NaiveDate};

use crate::{
    domain::{counts::Kind, period::Bucket},
    http::pages::labels::Language,
    report::{Counts, Days, Gap, Report, Step},
};

const VIETNAMESE_WEEKDAYS: [&str; 7] = ["T2", "T3", "T4", "T5", "T6", "T7", "CN"];
const ENGLISH_WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const QUARTERS: [&str; 4] = ["I", "II", "III", "IV"];

/// Whether a kind counts views of the site that are of no article, and not what was not counted.
pub(super) fn is_of_site_alone(kind: Kind) -> bool {
    matches!(kind, Kind::ArticlePattern | Kind::ArticleLimit)
}

impl Language {
    /// A day: `05/10/2026`, `5 Oct 2026`.
    pub(super) fn day(self, day: NaiveDate) -> String {
        match self {
            Self::Vietnamese => format!("{:02}/{:02}/{:04}", day.day(), day.month(), day.year()),
            Self::English => format!("{} {} {}", day.day(), short_month(day.month()), day.year()),
        }
    }

    /// The first and the last day, or the only one.
    pub(super) fn days(self, days: Days) -> String {
        if days.from == days.to { self.day(days.from) } else { format!("{} – {}", self.day(days.from), self.day(days.to)) }
    }

    /// The short name of a weekday.
    pub(super) fn weekday(self, day: NaiveDate) -> &'static str {
        let names = if self == Self::Vietnamese { VIETNAMESE_WEEKDAYS } else { ENGLISH_WEEKDAYS };
        names.get(day.weekday().num_days_from_monday() as usize).copied().unwrap_or_default()
    }

    /// A calendar month: `Tháng 10 năm 2026`, `October 2026`.
    fn month(self, day: NaiveDate) -> String {
        match self {
            Self::Vietnamese => format!("Tháng {} năm {}", day.month(), day.year()),
            Self::English => format!("{} {}", month_name(day.month()), day.year()),
        }
    }

    /// A period by the name that people have for it, if it is a calendar one: `Quý III năm 2026`.
    pub(super) fn name_of(self, days: Days) -> String {
        let (year, month) = (days.from.year(), days.from.month());
        match (Span::of(days), self) {
            (Span::Year, Self::Vietnamese) => format!("Năm {year}"),
            (Span::Year, Self::English) => year.to_string(),
            (Span::Half, Self::Vietnamese) => format!("6 tháng {} năm {year}", if month == 1 { "đầu" } else { "cuối" }),
            (Span::Half, Self::English) => format!("{} half of {year}", if month == 1 { "First" } else { "Second" }),
            (Span::Quarter, Self::Vietnamese) => {
                format!("Quý {} năm {year}", QUARTERS.get((month / 3) as usize).copied().unwrap_or_default())
            }
            (Span::Quarter, Self::English) => format!("Quarter {} of {year}", month / 3 + 1),
            (Span::Month, _) => self.month(days.from),
            (Span::Day, Self::Vietnamese) => format!("Ngày {}", self.day(days.from)),
            (Span::Day, Self::English) => self.day(days.from),
            (Span::Other, Self::Vietnamese) => format!("Từ {} đến {}", self.day(days.from), self.day(days.to)),
            (Span::Other, Self::English) => format!("{} to {}", self.day(days.from), self.day(days.to)),
        }
    }

    /// A step, with its days if they are not all of its bucket.
    pub(super) fn step(self, step: &Step) -> String {
        let days = || format!(" ({})", self.days(step.days));
        let whole = whole(step.bucket) == Some(step.days);
        match step.bucket {
            Bucket::Day(day) => format!("{} {}", self.weekday(day), self.day(day)),
            Bucket::Week { week, .. } => format!("{} {week}{}", self.choose("Tuần", "Week"), days()),
            Bucket::Month { .. } => self.month(step.days.from) + &if whole { String::new() } else { days() },
            Bucket::Year(year) => format!("{}{year}{}", self.choose("Năm ", ""), if whole { String::new() } else { days() }),
            Bucket::Total => String::new(),
        }
    }

    /// A whole number or one with a decimal, in tenths: `1.234,5`, `1,234.5`.
    fn tenths(self, tenths: u64) -> String {
        format!("{}{}{}", self.number(tenths / 10), self.choose(",", "."), tenths % 10)
    }

    /// A part of a whole: `12,5%`.
    pub(super) fn share(self, part: u64, whole: u64) -> String {
        match rounded(u128::from(part) * 1000, whole) {
            None => "–".to_owned(),
            Some(0) if part > 0 => self.choose("dưới 0,1%", "under 0.1%").to_owned(),
            Some(tenths) => self.tenths(tenths) + "%",
        }
    }

    /// A mean, with a decimal if it is small.
    pub(super) fn mean(self, sum: u64, days: u32) -> String {
        match rounded(u128::from(sum) * 10, days.into()) {
            None => "–".to_owned(),
            Some(tenths) if tenths < 100 && tenths % 10 > 0 => self.tenths(tenths),
            Some(_) => self.number(rounded(sum.into(), days.into()).unwrap_or_default()),
        }
    }

    /// A change from one count to another: `+11.427 (+10,5%)`. No percentage of 0.
    pub(super) fn change(self, from: u64, to: u64) -> String {
        let sign = match to.cmp(&from) {
            std::cmp::Ordering::Less => "−",
            std::cmp::Ordering::Equal => return self.choose("không đổi", "no change").to_owned(),
            std::cmp::Ordering::Greater => "+",
        };
        let change = to.abs_diff(from);
        let number = self.number(change);
        match rounded(u128::from(change) * 1000, from) {
            None => format!("{sign}{number}"),
            Some(0) => format!("{sign}{number} ({})", self.share(change, from)),
            Some(tenths) => format!("{sign}{number} ({sign}{}%)", self.tenths(tenths)),
        }
    }

    /// Views and visits in a sentence.
    pub(super) fn counts(self, counts: Counts, with_visits: bool) -> String {
        let views = format!("{} {}", self.number(counts.views), self.choose("lượt xem", "views"));
        if !with_visits {
            return views;
        }
        format!("{views}, {} {}", self.number(counts.visits), self.choose("lượt truy cập", "visits"))
    }

    /// Why something was not counted, or not for its article; `None` for visits.
    pub(super) fn reason(self, kind: Kind) -> Option<&'static str> {
        let (vietnamese, english) = match kind {
            Kind::Visits => return None,
            Kind::Bot => ("Bot: công cụ tìm kiếm và chương trình tự động", "Bots: search engines and other programs"),
            Kind::Prefetch => {
                ("Trang được trình duyệt tải trước, người đọc chưa mở", "Pages that a browser loaded in advance and that nobody opened")
            }
            Kind::Repeat => (
                "Cùng một người đọc mở lại cùng một trang trong thời gian ngắn",
                "The same reader opened the same page again within a short time",
            ),
            Kind::Foreign => ("Yêu cầu gửi từ trang web khác, không phải của cổng", "Requests from pages of other websites"),
            Kind::RateLimited => {
                ("Quá nhiều yêu cầu cùng một lúc, vượt giới hạn đã đặt", "More requests at once than the configured limit")
            }
            Kind::ArticlePattern => (
                "Địa chỉ trang không theo mẫu địa chỉ bài viết đã đặt",
                "The page's address does not match the configured pattern of articles",
            ),
            Kind::ArticleLimit => ("Đã đủ số bài mới được nhận trong một ngày", "The day's limit of new articles was reached"),
        };
        Some(self.choose(vietnamese, english))
    }

    /// That visits begin on a day.
    pub(super) fn visits_begin(self, day: NaiveDate) -> String {
        match self {
            Self::English => format!("Visits begin on {}; before, there are views only.", self.day(day)),
            Self::Vietnamese => format!("Lượt truy cập chỉ có từ ngày {}; trước đó chỉ có lượt xem.", self.day(day)),
        }
    }

    /// Why the sum of a period can lack views.
    pub(super) fn undated(self) -> &'static str {
        self.choose(
            "Một phần số liệu kế thừa chỉ biết theo cả tháng hoặc cả năm, nên chưa nằm trong tổng của kỳ này.",
            "Some earlier figures are known only for a whole month or year, so the sum of this period lacks them.",
        )
    }

    /// That the best day is not that of all days, if not all views of the period have a day.
    pub(super) fn of_known_days(self, report: &Report) -> Option<&'static str> {
        let is_known = report.without_day == 0 && !report.undated.contains(&report.days);
        (!is_known).then(|| self.choose("trong những ngày có số liệu theo ngày", "of the days that are known"))
    }

    /// Why the list of articles is cut.
    pub(super) fn gap(self, gap: Gap) -> &'static str {
        match gap {
            Gap::Expired => self.choose(
                "Số liệu của từng bài chỉ được giữ trong một thời gian; với kỳ này, một phần đã hết hạn nên danh sách không đủ.",
                "Counts of single articles are kept for a limited time; a part of this period is past it, so the list is not complete.",
            ),
            Gap::Unproven => self.choose(
                "Danh sách dừng ở đây: với kỳ này, số liệu đang giữ không đủ để khẳng định thứ tự của các bài tiếp theo.",
                "The list ends here: for this period, the figures that are kept do not prove which articles come next.",
            ),
            Gap::NotListed => self.choose(
                "Không liệt kê những bài mà cổng không có, hoặc chưa trả lời về chúng.",
                "Articles that the portal does not have, or has not answered about, are not listed.",
            ),
            Gap::Building => self.choose(
                "Danh sách đang được lập lại nên có thể chưa đủ; xin xem lại sau ít phút.",
                "The list is being rebuilt and can be incomplete; look again in a few minutes.",
            ),
        }
    }
}

/// The name of a month in English.
pub(super) fn month_name(month: u32) -> &'static str {
    MONTHS.get(month as usize - 1).copied().unwrap_or_default()
}

/// The first three letters of a month's name in English.
pub(super) fn short_month(month: u32) -> &'static str {
    month_name(month).get(..3).unwrap_or_default()
}

/// A quotient to the nearest whole number; `None` if the divisor is 0.
fn rounded(dividend: u128, divisor: u64) -> Option<u64> {
    let divisor = u128::from(divisor);
    (dividend + divisor / 2).checked_div(divisor).map(|quotient| u64::try_from(quotient).unwrap_or(u64::MAX))
}

/// The days of a bucket.
pub(super) fn whole(bucket: Bucket) -> Option<Days> {
    Some(Days { from: bucket.first_day()?, to: bucket.next()?.first_day()?.pred_opt()? })
}

/// What a period is in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Day,
    Month,
    Quarter,
    Half,
    Year,
    Other,
}

impl Span {
    pub(super) fn of(days: Days) -> Self {
        let first = days.from;
        match months(days) {
            _ if days.from == days.to => Self::Day,
            Some(1) if first.day() == 1 => Self::Month,
            Some(3) if first.day() == 1 && first.month0().is_multiple_of(3) => Self::Quarter,
            Some(6) if first.day() == 1 && first.month0().is_multiple_of(6) => Self::Half,
            Some(12) if first.day() == 1 && first.month() == 1 => Self::Year,
            _ => Self::Other,
        }
    }
}

/// How many months a period has, if it ends on the day before the one on which it began, as from the 15th to the 14th.
fn months(days: Days) -> Option<u32> {
    let end = days.to.succ_opt()?;
    let count = (end.year() - days.from.year()) * 12 + end.month().cast_signed() - days.from.month().cast_signed();
    u32::try_from(count).ok().filter(|&count| count > 0 && days.from.checked_add_months(Months::new(count)) == Some(end))
}

/// The period of the same length after this one.
pub(super) fn following(days: Days) -> Option<Days> {
    let from = days.to.succ_opt()?;
    let to = match months(days) {
        Some(months) => from.checked_add_months(Months::new(months))?.pred_opt()?,
        None => from.checked_add_days(Count::new(u64::try_from((days.to - days.from).num_days()).ok()?))?,
    };
    Some(Days { from, to })
}
