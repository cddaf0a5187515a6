//! Reports of imagined portals, for tests of how the report looks.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days as Count, NaiveDate, TimeZone};
use chrono_tz::{Asia::Ho_Chi_Minh, Tz};
use truycap::{
    domain::{article::ArticleId, counts::Kind, period::Period, site::SiteId},
    http::{Language, View, render},
    report::{Counts, Days, Gap, MostRead, ReadArticle, Report, Step},
};

/// A day.
///
/// # Panics
/// If there is no such day.
#[must_use]
pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn days(from: &str, to: &str) -> Days {
    Days { from: day(from), to: day(to) }
}

/// The views of a portal on a day: fewer at weekends, more in the later years, and never quite the same.
fn views_on(day: NaiveDate, size: u64) -> Counts {
    let number = u64::try_from(day.num_days_from_ce()).unwrap_or_default();
    let noise = (number * 7919 + number * number * 31) % 41;
    let weekly = [100, 96, 98, 94, 88, 52, 47][day.weekday().num_days_from_monday() as usize];
    let yearly = 70 + u64::from(day.month()) * 3;
    let views = size * weekly * yearly * (80 + noise) / 1_000_000;
    Counts { views, visits: views * (34 + noise / 4) / 100 }
}

fn sum(counts: impl Iterator<Item = Counts>) -> Counts {
    counts.fold(Counts::default(), |sum, one| Counts { views: sum.views + one.views, visits: sum.visits + one.visits })
}

fn each(days: Days) -> impl Iterator<Item = NaiveDate> {
    days.from.iter_days().take_while(move |day| *day <= days.to)
}

/// A report on a period of a portal with some `size` views a day, made at a time of `Asia/Ho_Chi_Minh`.
///
/// # Panics
/// If the time is none.
#[must_use]
pub fn report(days: Days, by: Period, size: u64, made: &str) -> Report {
    let made: DateTime<Tz> = Ho_Chi_Minh.from_local_datetime(&made.parse().expect("a time")).earliest().expect("a time");
    let begun = Days { from: days.from, to: days.to.min(made.date_naive()) };
    let mut steps: Vec<Step> = Vec::new();
    for day in each(begun) {
        let (bucket, counts) = (by.bucket(day), views_on(day, size));
        match steps.last_mut().filter(|step| step.bucket == bucket) {
            Some(step) => {
                step.days.to = if day == made.date_naive() {
                    days.to.min(bucket.next().and_then(|next| next.first_day()).expect("a day").pred_opt().expect("a day"))
                } else {
                    day
                };
                step.counts = sum([step.counts, counts].into_iter());
            }
            None => steps.push(Step { bucket, days: Days { from: day, to: day }, counts }),
        }
    }
    let counts = sum(steps.iter().map(|step| step.counts));
    let length = Count::new(u64::try_from((days.to - days.from).num_days() + 1).expect("a length"));
    let before = Days { from: days.from.checked_sub_days(length).expect("a day"), to: days.from.pred_opt().expect("a day") };
    let before = if days.from.day() == 1 && by != Period::Year { Days { from: first_before(days), to: before.to } } else { before };
    let year_before = Days { from: a_year_before(days.from), to: a_year_before(days.to) };
    let of = |days: Days| (days, sum(each(days).map(|day| views_on(day, size))));
    let best = each(begun).map(|day| (day, views_on(day, size).views)).rev_max();
    Report {
        site: SiteId::parse("portal").expect("an id"),
        days,
        by,
        made,
        stale: false,
        counts,
        before: of(before),
        year_before: of(year_before),
        undated: Vec::new(),
        steps,
        without_step: Counts::default(),
        best: best.filter(|(_, views)| *views > 0),
        without_day: 0,
        days_counted: Some(begun),
        most_read: MostRead { articles: articles(counts.views), gap: None },
        not_counted: vec![
            (Kind::Bot, counts.views / 3),
            (Kind::Prefetch, counts.views / 90),
            (Kind::Repeat, counts.views / 14),
            (Kind::Foreign, 12),
        ],
        total: 8_307_145 + counts.views,
        older: 0,
        begins: Some(day("2018-03-12")),
        visits_begin: Some(day("2018-03-12")),
        imported: Some(7_104_233),
    }
}

trait First: Iterator<Item = (NaiveDate, u64)> + Sized {
    /// The item with most views, the first one of several.
    fn rev_max(self) -> Option<(NaiveDate, u64)> {
        self.max_by_key(|(day, views)| (*views, std::cmp::Reverse(*day)))
    }
}

impl<I: Iterator<Item = (NaiveDate, u64)>> First for I {}

fn first_before(days: Days) -> NaiveDate {
    let months = (days.to.year() - days.from.year()) * 12 + days.to.month().cast_signed() - days.from.month().cast_signed() + 1;
    days.from.checked_sub_months(chrono::Months::new(months.cast_unsigned())).expect("a day")
}

fn a_year_before(day: NaiveDate) -> NaiveDate {
    day.checked_sub_months(chrono::Months::new(12)).expect("a day")
}

const TITLES: [(&str, &str); 20] = [
    ("/thu-tuc-hanh-chinh/cap-doi-the-can-cuoc", "Thủ tục cấp, cấp đổi thẻ căn cước tại Công an xã, phường"),
    ("/tin-tuc/bao-so-12", "Công điện khẩn về ứng phó bão số 12 và mưa lũ sau bão"),
    ("/tin-tuc/tuyen-dung-vien-chuc-2026", "Thông báo tuyển dụng viên chức ngành giáo dục năm 2026"),
    ("/van-ban/quyet-dinh-1234-qd-ubnd", "Quyết định số 1234/QĐ-UBND về việc phê duyệt Kế hoạch sử dụng đất năm 2027"),
    ("/tin-tuc/diem-thi-lop-10", "Tra cứu điểm thi tuyển sinh vào lớp 10 trung học phổ thông"),
    ("/lich-tiep-cong-dan", "Lịch tiếp công dân tháng 10 của lãnh đạo Ủy ban nhân dân tỉnh"),
    ("/tin-tuc/le-hoi-dua-ghe-ngo", "Lễ hội đua ghe ngo thu hút hơn 30.000 lượt người xem"),
    ("/gioi-thieu", "Giới thiệu"),
    ("/lich-cat-dien-tuan-41-tai-cac-huyen-thi-xa-va-thanh-pho-trong-tinh-khong-co-khoang-trang", ""),
    ("/tin-tuc/gia-dat", "Bảng giá đất mới áp dụng từ ngày 01/01/2027"),
    ("/dich-vu-cong", "Dịch vụ công trực tuyến"),
    ("/tin-tuc/tiem-chung", "Lịch tiêm chủng mở rộng quý IV"),
    ("trang-chu-en", ""),
    ("/van-ban/nghi-quyet-07", "Nghị quyết số 07/NQ-HĐND về phát triển kinh tế – xã hội"),
    ("/tin-tuc/khoi-cong-cau", "Khởi công cầu Ba Sông nối hai huyện"),
    ("/hoi-dap", "Hỏi – đáp"),
    ("/tin-tuc/hoc-bong", "Trao 200 suất học bổng cho học sinh nghèo vượt khó"),
    ("/so-do-trang", "Sơ đồ trang"),
    ("/tin-tuc/nuoc-sach", "Thêm 4.500 hộ dân vùng sâu có nước sạch"),
    ("/lien-he", "Liên hệ"),
];

fn articles(views: u64) -> Vec<ReadArticle> {
    let rows = TITLES.iter().enumerate().map(|(rank, (id, title))| ReadArticle {
        article: ArticleId::parse(id).expect("an id"),
        title: (!title.is_empty()).then(|| (*title).to_owned()),
        views: views / (rank as u64 * 5 + 9),
    });
    rows.filter(|row| row.views > 0).collect()
}

/// What the page shows beside these reports.
#[must_use]
pub fn view(language: Language) -> View<'static> {
    View {
        language,
        name: "portal.example.vn",
        origin: Some("https://portal.example.vn"),
        token: Some("m4t-kh4u"),
        repeat_window: Duration::from_secs(1800),
    }
}

/// A portal without views.
#[must_use]
pub fn empty() -> Report {
    let mut report = report(days("2026-10-01", "2026-10-31"), Period::Day, 0, "2026-11-02T08:05:00");
    report.not_counted.clear();
    Report { begins: None, visits_begin: None, days_counted: None, total: 0, imported: Some(0), ..report }
}

/// A report whose ids and titles are hostile.
#[must_use]
pub fn hostile() -> Report {
    let mut report = report(days("2026-10-01", "2026-10-31"), Period::Day, 900, "2026-11-02T08:05:00");
    let row = |id: &str, title: Option<&str>| ReadArticle {
        article: ArticleId::parse(id).expect("an id"),
        title: title.map(str::to_owned),
        views: 7,
    };
    report.most_read.articles = vec![
        row("/tin/1", Some("</a><script>document.title = 'taken'</script>")),
        row("/tin/\"onmouseover=\"document.title='taken'", None),
        row("javascript:document.title='taken'", Some("click & win")),
        row("//evil.example/tin", None),
        row("/tin/\u{202e}nuj", Some("a\u{202e}b\u{200b}c\n<b>d")),
        row("/tin/?a=1#b%41", Some("   ")),
        row("مكتبة", None),
    ];
    report
}

/// Reports with their names: those that a designer looks at.
#[must_use]
pub fn all() -> Vec<(&'static str, Report)> {
    let over = "2026-11-02T08:05:00";
    let month = days("2026-10-01", "2026-10-31");
    let mut imported = report(days("2026-01-01", "2026-12-31"), Period::Month, 9000, "2026-11-28T23:36:00");
    imported.without_step = Counts { views: 31_200, visits: 0 };
    imported.without_day = 31_200;
    imported.counts.views += 31_200;
    imported.begins = Some(day("2026-02-10"));
    imported.days_counted = Some(days("2026-02-10", "2026-11-28"));
    imported.most_read.gap = Some(Gap::Expired);
    imported.not_counted.push((Kind::ArticleLimit, 31));
    let mut stale = report(days("2026-11-01", "2026-11-30"), Period::Day, 5000, "2026-11-28T23:36:00");
    stale.stale = true;
    let mut without_visits = report(month, Period::Day, 4000, over);
    without_visits.counts.visits = 0;
    for step in &mut without_visits.steps {
        step.counts.visits = 0;
    }
    vec![
        ("month", report(month, Period::Day, 7000, over)),
        ("month-by-week", report(month, Period::Week, 7000, over)),
        ("fifteenth", report(days("2026-09-15", "2026-10-14"), Period::Day, 7000, over)),
        ("quarter", report(days("2026-07-01", "2026-09-30"), Period::Day, 7000, over)),
        ("year", report(days("2025-01-01", "2025-12-31"), Period::Month, 7000, over)),
        ("year-by-week", report(days("2025-01-01", "2025-12-31"), Period::Week, 7000, over)),
        ("year-by-day", report(days("2025-01-01", "2025-12-31"), Period::Day, 7000, over)),
        ("year-so-far", imported),
        ("years", report(days("2023-01-01", "2025-12-31"), Period::Month, 7000, over)),
        ("years-by-year", report(days("2023-01-01", "2025-12-31"), Period::Year, 7000, over)),
        ("day", report(days("2026-10-05", "2026-10-05"), Period::Day, 7000, over)),
        ("million", report(month, Period::Day, 2_000_000, over)),
        ("stale", stale),
        ("without-visits", without_visits),
        ("small", report(month, Period::Day, 4, over)),
        ("empty", empty()),
        ("hostile", hostile()),
    ]
}

/// All of them as pages in both languages, by the names of their files.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    let page = |(name, report): (&str, Report)| {
        [Language::Vietnamese, Language::English].map(|language| {
            let code = if language == Language::Vietnamese { "vi" } else { "en" };
            (format!("{name}-{code}"), render(&report, &view(language)))
        })
    };
    all().into_iter().flat_map(page).collect()
}
