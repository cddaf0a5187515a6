//! The report as a page that a person reads, prints and hands to an authority.
//!
//! It has no script and no styles within it, so it can have a policy that allows one style sheet only. URLs are relative, because
//! a proxy can serve it under another path.

use std::time::Duration;

use chrono::NaiveDate;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    chart::chart,
    choice::{choice, steps},
    view::{View, escape},
    words::is_of_site_alone,
};
use crate::{
    domain::period::Period,
    http::pages::labels::Language,
    report::{Counts, Days, ReadArticle, Report},
};

/// What a path of a URL does not encode.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page, as HTML.
#[must_use]
pub fn render(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    // No visits beside views: they were not counted at that time.
    let with_visits = report.counts_visits(report.days);
    let (code, name, period) = (language.code(), escape(view.name), language.name_of(report.days));
    let title = language.choose("Báo cáo thống kê truy cập", "Report on visitor statistics");
    format!(
        r#"<!DOCTYPE html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<title>{title} – {name} – {period}</title>
<link rel="stylesheet" href="../../../report.css">
</head>
<body>
<header>
<p class="name">{name}</p>
<h1>{title}</h1>
<p class="period">{period}</p>
{days}<p class="made">{made}</p>
</header>
{choice}<main>
{notes}{summary}{chart}<div class="columns">
{table}{articles}</div>
{not_counted}{meaning}{signatures}</main>
</body>
</html>
"#,
        days = days_line(language, report.days, &period),
        made = made(language, report),
        choice = choice(report, view),
        notes = notes(language, report),
        summary = summary(language, report, with_visits),
        chart = figure(report, view, with_visits),
        table = table(language, report, with_visits),
        articles = articles(report, view),
        not_counted = not_counted(language, report),
        meaning = meaning(report, view),
        signatures = signatures(language),
    )
}

/// The first and the last day, if the name of the period does not have them.
fn days_line(language: Language, days: Days, name: &str) -> String {
    if name.contains(&language.day(days.from)) {
        return String::new();
    }
    format!("<p class=\"days\">{}</p>\n", language.days(days))
}

fn made(language: Language, report: &Report) -> String {
    let (time, day) = (report.made.format("%H:%M"), language.day(report.made.date_naive()));
    match language {
        Language::Vietnamese => format!("Lập lúc {time} ngày {day}"),
        Language::English => format!("Made at {time} on {day}"),
    }
}

/// What a reader must know before the numbers.
fn notes(language: Language, report: &Report) -> String {
    let (days, made) = (report.days, report.made.date_naive());
    let mut notes = Vec::new();
    if report.stale {
        notes.push(
            language
                .choose(
                    "Số liệu có thể thiếu, vì lúc lập báo cáo không đọc được nơi lưu trữ. Xin mở lại sau ít phút trước khi sử dụng.",
                    "Figures can be missing, because the store did not answer when the report was made. Open it again in a few minutes before you use it.",
                )
                .to_owned(),
        );
    }
    if days.from > made {
        notes.push(language.choose("Kỳ này chưa bắt đầu.", "This period has not begun.").to_owned());
    } else if days.to >= made {
        let time = report.made.format("%H:%M");
        notes.push(match language {
            Language::Vietnamese => format!("Kỳ này chưa kết thúc. Số liệu tính đến {time} ngày {}.", language.day(made)),
            Language::English => format!("This period is not over. The figures are those until {time} on {}.", language.day(made)),
        });
    }
    match report.begins {
        None if report.older > 0 => notes.push(
            language.choose("Chỉ có số liệu kế thừa, không rõ thời gian.", "There are only earlier figures of unknown time.").to_owned(),
        ),
        None => notes.push(language.choose("Cổng chưa có số liệu nào.", "There are no figures yet.").to_owned()),
        Some(begins) if begins > days.from => {
            let before = if report.older > 0 {
                language.choose("số liệu trước đó không rõ thời gian", "earlier figures are of unknown time")
            } else {
                language.choose("trước đó chưa đếm", "nothing was counted before")
            };
            notes.push(match language {
                Language::Vietnamese => format!("Số liệu chỉ có từ ngày {}; {before}.", language.day(begins)),
                Language::English => format!("The figures begin on {}; {before}.", language.day(begins)),
            });
        }
        Some(_) => {}
    }
    notes.extend(report.visits_begin_within().map(|day| language.visits_begin(day)));
    if report.undated.contains(&days) {
        notes.push(language.undated().to_owned());
    }
    if notes.is_empty() {
        return String::new();
    }
    let class = if report.stale { "notes warning" } else { "notes" };
    let notes: String = notes.iter().map(|note| format!("<p>{note}</p>\n")).collect();
    format!("<div class=\"{class}\">\n{notes}</div>\n")
}

/// The key numbers, and the comparison with the periods before.
fn summary(language: Language, report: &Report, with_visits: bool) -> String {
    let days = report.days_counted.map_or(0, Days::count);
    let best = report.best.map_or_else(
        || ("–".to_owned(), String::new()),
        |(day, views)| {
            let known = language.of_known_days(report).map(|known| format!(", {known}")).unwrap_or_default();
            (language.number(views), format!("{} {}{known}", language.weekday(day), language.day(day)))
        },
    );
    let is_lost = report.is_lost((report.days, report.counts));
    let uncounted = !with_visits && report.counts.views > 0;
    let visits = if uncounted || is_lost { "–".to_owned() } else { language.number(report.counts.visits) };
    let no_visits = if uncounted { language.choose("chưa được đếm trong kỳ này", "not counted in this period") } else { "" };
    let mean = if is_lost { "–".to_owned() } else { language.mean(report.counts.views, days) };
    let of_days = match language {
        _ if days == 0 || is_lost => String::new(),
        Language::Vietnamese => format!("trong {} ngày có số liệu", language.number(days.into())),
        Language::English => format!("over {} {} with figures", language.number(days.into()), if days == 1 { "day" } else { "days" }),
    };
    let views = if is_lost { "–".to_owned() } else { language.number(report.counts.views) };
    let unknown = if is_lost { language.choose("chưa rõ số liệu", "not known") } else { "" };
    let mut numbers = vec![
        ("views", language.choose("Lượt xem trang", "Page views"), views, unknown.to_owned()),
        ("visits", language.choose("Lượt truy cập", "Visits"), visits, no_visits.to_owned()),
    ];
    if report.days.from < report.days.to {
        numbers.extend([
            ("mean", language.choose("Lượt xem trung bình mỗi ngày", "Views per day, on average"), mean, of_days),
            ("best", language.choose("Ngày nhiều lượt xem nhất", "Day with most views"), best.0, best.1),
        ]);
    }
    let numbers: String = numbers
        .iter()
        .map(|(class, label, number, note)| {
            let note = if note.is_empty() { String::new() } else { format!("<dd class=\"note\">{note}</dd>") };
            format!("<div class=\"{class}\"><dt>{label}</dt><dd>{number}</dd>{note}</div>\n")
        })
        .collect();
    let heading = language.choose("Số liệu chính", "Key figures");
    let comparison = comparison(language, report, with_visits);
    format!(
        "<section aria-labelledby=\"key\">\n<h2 id=\"key\">{heading}</h2>\n<dl class=\"numbers\">\n{numbers}</dl>\n{comparison}</section>\n"
    )
}

fn comparison(language: Language, report: &Report, with_visits: bool) -> String {
    let before = language.choose("Kỳ trước", "Period before");
    let year = language.choose("Cùng kỳ năm trước", "Same period a year before");
    let mut rows = compared(language, report, before, report.before, with_visits);
    // The year before a year is both.
    if report.year_before.0 != report.before.0 {
        rows += &compared(language, report, year, report.year_before, with_visits);
    }
    let own = counts_cells(language, report.counts, with_visits, true);
    let today = report.made.date_naive();
    let unfinished = if report.days.to >= today && report.begins.is_some_and(|begins| begins < report.days.from) {
        let text = language.choose(
            "Kỳ này chưa kết thúc, nên chưa thể so trọn kỳ với các kỳ trước.",
            "This period is not over, so it does not compare with whole periods yet.",
        );
        format!("<p class=\"remark\">{text}</p>\n")
    } else {
        String::new()
    };
    format!(
        "<table class=\"comparison\">\n<caption>{}</caption>\n{}<tbody>\n<tr class=\"own\"><th scope=\"row\">{}</th>{own}</tr>\n</tbody>\n{rows}</table>\n{unfinished}",
        language.choose("So với các kỳ trước", "Compared with earlier periods"),
        head(language, language.choose("Kỳ", "Period"), with_visits),
        language.name_of(report.days),
    )
}

/// The rows of another period: its counts, and the change from them to those of the report, if neither lacks views.
fn compared(language: Language, report: &Report, label: &str, (days, counts): (Days, Counts), with_visits: bool) -> String {
    let name = format!("{label}<span class=\"which\">{}</span>", language.name_of(days));
    let is_undated = report.undated.contains(&days);
    if !report.is_known((days, counts)) {
        let columns = if with_visits { 2 } else { 1 };
        let none = if is_undated || report.older > 0 {
            language.choose("chưa rõ số liệu", "not known")
        } else {
            language.choose("chưa có số liệu", "no figures")
        };
        return format!("<tbody>\n<tr><th scope=\"row\">{name}</th><td colspan=\"{columns}\">{none}</td></tr>\n</tbody>\n");
    }
    let partial = report.begins.filter(|begins| *begins > days.from).map(|begins| partial(language, begins)).unwrap_or_default();
    let are_counted = report.counts_visits(days);
    let cells = counts_cells(language, counts, with_visits, are_counted);
    if is_undated || report.undated.contains(&report.days) {
        let lacking = format!("<span class=\"which\">{}</span>", language.choose("(chưa đủ số liệu)", "(incomplete)"));
        let lacking = if is_undated { lacking.as_str() } else { "" };
        return format!("<tbody>\n<tr><th scope=\"row\">{name}{partial}{lacking}</th>{cells}</tr>\n</tbody>\n");
    }
    let own = report.counts;
    let change = format!("<td>{}</td>", language.change(counts.views, own.views));
    let change = match (with_visits, are_counted) {
        (false, _) => change,
        (true, false) => change + "<td>–</td>",
        (true, true) => change + &format!("<td>{}</td>", language.change(counts.visits, own.visits)),
    };
    format!(
        "<tbody>\n<tr><th scope=\"row\">{name}{partial}</th>{cells}</tr>\n<tr class=\"change\"><th scope=\"row\">{}</th>{change}</tr>\n</tbody>\n",
        language.choose("Thay đổi", "Change"),
    )
}

fn partial(language: Language, begins: NaiveDate) -> String {
    format!("<span class=\"which\">({} {})</span>", language.choose("có số liệu từ", "figures from"), language.day(begins))
}

/// The cells of views and, `with_visits`, of visits, if these `are_counted` at that time.
fn counts_cells(language: Language, counts: Counts, with_visits: bool, are_counted: bool) -> String {
    let views = format!("<td>{}</td>", language.number(counts.views));
    match (with_visits, are_counted) {
        (false, _) => views,
        (true, false) => views + "<td>–</td>",
        (true, true) => views + &format!("<td>{}</td>", language.number(counts.visits)),
    }
}

/// The head of a table of counts.
fn head(language: Language, first: &str, with_visits: bool) -> String {
    let visits = format!("<th scope=\"col\">{}</th>", language.choose("Lượt truy cập", "Visits"));
    let visits = if with_visits { visits.as_str() } else { "" };
    let views = language.choose("Lượt xem", "Views");
    format!("<thead>\n<tr><th scope=\"col\">{first}</th><th scope=\"col\">{views}</th>{visits}</tr>\n</thead>\n")
}

/// The chart with its legend. A single step needs none, and neither do steps without views.
fn figure(report: &Report, view: &View<'_>, with_visits: bool) -> String {
    let language = view.language;
    if report.steps.len() < 2 || report.counts == Counts::default() {
        return String::new();
    }
    let visits = format!("<span class=\"key visits\">{}</span>", language.choose("Lượt truy cập", "Visits"));
    let weekend = format!("<span class=\"key weekend\">{}</span>", language.choose("Thứ Bảy, Chủ nhật", "Saturday, Sunday"));
    let open = format!("<span class=\"key open\">{}</span>", language.choose("Chưa hết", "Not over"));
    let is_open = report.steps.last().is_some_and(|step| step.days.to >= report.made.date_naive());
    let by_days = report.by == Period::Day;
    format!(
        "<section aria-labelledby=\"course\">\n<h2 id=\"course\">{}</h2>\n{}<p class=\"legend\"><span class=\"key views\">{}</span> {} {} {}</p>\n{}</section>\n",
        language.choose("Diễn biến trong kỳ", "Views and visits over the period"),
        steps(report, view),
        language.choose("Lượt xem", "Views"),
        if with_visits { visits.as_str() } else { "" },
        if by_days { weekend.as_str() } else { "" },
        if is_open { open.as_str() } else { "" },
        chart(language, report, with_visits),
    )
}

/// The table behind the chart. A single step is the sum, and steps without views say nothing more.
fn table(language: Language, report: &Report, with_visits: bool) -> String {
    if report.counts == Counts::default() || report.steps.len() < 2 && report.without_step == Counts::default() {
        return String::new();
    }
    let (first, caption) = match report.by {
        Period::Day => (language.choose("Ngày", "Day"), language.choose("Số liệu theo ngày", "Figures by day")),
        Period::Week => (language.choose("Tuần", "Week"), language.choose("Số liệu theo tuần", "Figures by week")),
        Period::Month => (language.choose("Tháng", "Month"), language.choose("Số liệu theo tháng", "Figures by month")),
        Period::Year => (language.choose("Năm", "Year"), language.choose("Số liệu theo năm", "Figures by year")),
    };
    let today = report.made.date_naive();
    let open = format!("<span class=\"which\">{}</span>", language.choose("chưa hết", "not over"));
    let mut rows = String::new();
    for step in &report.steps {
        let open = if step.days.to >= today { open.as_str() } else { "" };
        let cells = counts_cells(language, step.counts, with_visits, report.counts_visits(step.days));
        let name = language.step(step);
        rows += &match report.by {
            Period::Day => format!("<tr><th scope=\"row\"><span class=\"name-of-day\">{name}</span>{open}</th>{cells}</tr>\n"),
            _ => format!("<tr><th scope=\"row\">{name}{open}</th>{cells}</tr>\n"),
        };
    }
    if report.without_step != Counts::default() {
        let name = language.choose("Số liệu kế thừa, không rõ thời điểm trong kỳ", "Imported, at unknown times of the period");
        rows += &format!(
            "<tr><th scope=\"row\">{name}</th>{}</tr>\n",
            counts_cells(language, report.without_step, with_visits, report.without_step.visits > 0)
        );
    }
    format!(
        "<section aria-labelledby=\"steps\">\n<h2 id=\"steps\">{caption}</h2>\n<table class=\"steps\">\n<caption class=\"said\">{caption}</caption>\n{}<tbody>\n{rows}</tbody>\n<tfoot>\n<tr><th scope=\"row\">{}</th>{}</tr>\n</tfoot>\n</table>\n</section>\n",
        head(language, first, with_visits),
        language.choose("Cộng", "Sum"),
        counts_cells(language, report.counts, with_visits, true),
    )
}

/// The most-read articles.
fn articles(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    let heading = language.choose("Bài được xem nhiều nhất", "Most-read articles");
    let gap = report.most_read.gap.map(|gap| format!("<p class=\"remark\">{}</p>\n", language.gap(gap))).unwrap_or_default();
    let mut rows = String::new();
    for (rank, article) in report.most_read.articles.iter().enumerate() {
        let (views, share) = (language.number(article.views), language.share(article.views, report.counts.views));
        rows += &format!(
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{views}</td><td>{share}</td></tr>\n",
            rank + 1,
            article_cell(article, view)
        );
    }
    let list = if rows.is_empty() && !gap.is_empty() {
        String::new()
    } else if rows.is_empty() {
        format!("<p class=\"remark\">{}</p>\n", language.choose("Không có bài nào.", "There are none."))
    } else {
        format!(
            "<table class=\"articles\">\n<caption class=\"said\">{heading}</caption>\n<thead>\n<tr><th scope=\"col\"><abbr title=\"{}\">{}</abbr></th><th scope=\"col\">{}</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
            language.choose("Số thứ tự", "Rank"),
            language.choose("STT", "No."),
            language.choose("Bài", "Article"),
            language.choose("Lượt xem", "Views"),
            language.choose("Tỷ lệ", "Share"),
        )
    };
    format!("<section aria-labelledby=\"articles\">\n<h2 id=\"articles\">{heading}</h2>\n{list}{gap}</section>\n")
}

/// An article's title, or its id, as a link if it is a path of the portal.
fn article_cell(article: &ReadArticle, view: &View<'_>) -> String {
    let title = article.title.as_deref().filter(|title| !title.trim().is_empty());
    let id = article.article.as_str();
    let shown = escape(title.unwrap_or(id));
    match view.origin.filter(|_| id.starts_with('/')) {
        Some(origin) => {
            // The route of a page whose ids have one.
            let path = utf8_percent_encode(id, PATH).to_string().replacen("%23/", "#/", 1).replacen("%23%21/", "#!/", 1);
            format!(r#"<a href="{}{path}" dir="auto">{shown}</a>"#, escape(origin))
        }
        None => format!("<bdi>{shown}</bdi>"),
    }
}

/// What was not counted, and what was counted for the site but not for an article.
fn not_counted(language: Language, report: &Report) -> String {
    let heading = language.choose("Không được tính", "Not counted");
    let rows = |of_site: bool| -> String {
        let rows = report.not_counted.iter().filter(|(kind, count)| *count > 0 && is_of_site_alone(*kind) == of_site);
        rows.filter_map(|(kind, count)| {
            let reason = language.reason(*kind)?;
            Some(format!("<tr><th scope=\"row\">{reason}</th><td>{}</td></tr>\n", language.number(*count)))
        })
        .collect()
    };
    let table = |caption: &str, rows: &str| {
        let (reason, times) = (language.choose("Lý do", "Reason"), language.choose("Số lần", "Times"));
        format!(
            "<table class=\"reasons\">\n<caption>{caption}</caption>\n<thead>\n<tr><th scope=\"col\">{reason}</th><th scope=\"col\">{times}</th></tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
        )
    };
    let (neither, site_only) = (rows(false), rows(true));
    let neither = if neither.is_empty() {
        let none = language.choose("Không ghi nhận yêu cầu nào bị loại trong kỳ này.", "No left-out request was recorded in this period.");
        format!("<p class=\"remark\">{none}</p>\n")
    } else {
        table(language.choose("Không nằm trong các số liệu trên", "Not part of the figures above"), &neither)
    };
    let site_only = if site_only.is_empty() {
        String::new()
    } else {
        table(language.choose("Có tính cho cổng, không tính cho từng bài", "Counted for the portal, but not for an article"), &site_only)
    };
    format!("<section aria-labelledby=\"not-counted\">\n<h2 id=\"not-counted\">{heading}</h2>\n{neither}{site_only}</section>\n")
}

/// What the numbers mean, for an auditor.
fn meaning(report: &Report, view: &View<'_>) -> String {
    let language = view.language;
    let heading = language.choose("Những con số này nghĩa là gì", "What these numbers mean");
    let zone = report.made.timezone();
    let repeats = repeats(language, view.repeat_window);
    let total = total(language, report);
    let text = match language {
        Language::Vietnamese => format!(
            "<p><strong>Lượt xem</strong> là một lần một trang của cổng được mở trong trình duyệt của người đọc. {repeats} \
             <strong>Lượt truy cập</strong> là lượt xem mở đầu một lần ghé cổng: người đọc đến từ ngoài cổng, như từ công cụ tìm kiếm, từ trang web \
             khác, hoặc tự gõ địa chỉ. Tải lại trang, quay lại trang trước và đi từ trang này sang trang khác trong cổng không phải là lượt truy cập mới. \
             <strong>Không tính</strong>: công cụ tìm kiếm và các chương trình tự động, trang được tải trước mà chưa mở, yêu cầu từ trang web \
             khác, yêu cầu vượt giới hạn. Số lượt không phải là số người: bộ đếm không dùng cookie và không lưu địa chỉ IP của người đọc.</p>\n\
             <p>Mỗi lượt được ghi vào ổ đĩa trước khi được xác nhận, và được tính đúng một lần, vào ngày nhận được theo giờ {zone}. Tuần bắt đầu từ \
             thứ Hai. Số liệu của ngày đã qua không thay đổi, trừ khi có đính chính; mỗi lần đính chính hoặc nhập số liệu cũ đều được lưu lại cùng lý do. {total}</p>\n"
        ),
        Language::English => format!(
            "<p>A <strong>view</strong> is one time that a page of the portal was opened in a reader's browser. {repeats} \
             A <strong>visit</strong> is a view with which a reader comes to the portal from elsewhere: from a search engine, from another website, \
             or by typing the address. Reloading a page, going back, and following links within the portal begin no new visit. \
             <strong>Left out</strong> are search engines and other programs, pages that were loaded in advance and not opened, requests from other \
             websites, and requests over a limit. Views and visits are not persons: the counter uses no cookies and does not store the addresses of readers.</p>\n\
             <p>Each view is on the disk before it is acknowledged, and is counted exactly once, on the day on which it was received, in the time zone {zone}. \
             A week begins on Monday. Figures of days that are over do not change unless they are corrected; each correction and each import of \
             earlier figures is kept with its reason. {total}</p>\n"
        ),
    };
    format!("<section class=\"meaning\" aria-labelledby=\"meaning\">\n<h2 id=\"meaning\">{heading}</h2>\n{text}</section>\n")
}

fn repeats(language: Language, window: Duration) -> String {
    let seconds = window.as_secs();
    let (count, unit) = match seconds {
        0 => return language.choose("Mở lại trang cũng là một lượt xem.", "Opening it again is another view.").to_owned(),
        _ if seconds.is_multiple_of(3600) => (seconds / 3600, language.choose("giờ", "hours")),
        _ if seconds.is_multiple_of(60) => (seconds / 60, language.choose("phút", "minutes")),
        _ => (seconds, language.choose("giây", "seconds")),
    };
    let unit = if count == 1 { unit.trim_end_matches('s') } else { unit };
    match language {
        Language::Vietnamese => format!("Cùng một người đọc mở lại cùng một trang trong vòng {count} {unit} thì chỉ tính một lượt."),
        Language::English => format!("If the same reader opens the same page again within {count} {unit}, that is one view."),
    }
}

/// The total until now, since when, if that is known, and how much of it was imported.
fn total(language: Language, report: &Report) -> String {
    let (total, older) = (language.number(report.total), language.number(report.older));
    let since = match (report.begins, language) {
        (_, Language::Vietnamese) if report.older > 0 => format!("gồm cả <strong>{older}</strong> lượt không rõ thời gian"),
        (_, Language::English) if report.older > 0 => format!("including <strong>{older}</strong> of unknown time"),
        (None, _) => return String::new(),
        (Some(begins), Language::Vietnamese) => format!("tính từ ngày {}", language.day(begins)),
        (Some(begins), Language::English) => format!("since {}", language.day(begins)),
    };
    let imported = report.imported.filter(|imported| *imported > 0).map(|imported| language.number(imported));
    let imported = imported.map(|imported| match language {
        Language::Vietnamese => format!(" Trong tổng số này, <strong>{imported}</strong> lượt là số liệu được nhập vào."),
        Language::English => format!(" Of all these, <strong>{imported}</strong> were imported."),
    });
    let imported = imported.unwrap_or_default();
    match language {
        Language::Vietnamese => format!("Tổng số lượt xem đến lúc lập báo cáo là <strong>{total}</strong>, {since}.{imported}"),
        Language::English => format!("All views until this report was made: <strong>{total}</strong>, {since}.{imported}"),
    }
}

/// The place for date and signatures, which only the print shows.
fn signatures(language: Language) -> String {
    let (date, by, head, name, seal) = match language {
        Language::Vietnamese => (
            "……………………, ngày ……… tháng ……… năm …………",
            "Người lập biểu",
            "Thủ trưởng đơn vị",
            "(Ký, ghi rõ họ tên)",
            "(Ký, đóng dấu, ghi rõ họ tên)",
        ),
        Language::English => {
            ("……………………, date ………………………", "Prepared by", "Head of the organisation", "(Signature and name)", "(Signature, seal and name)")
        }
    };
    format!(
        "<div class=\"signatures\">\n<p class=\"place\">{date}</p>\n<p><strong>{by}</strong><span>{name}</span></p>\n<p><strong>{head}</strong><span>{seal}</span></p>\n</div>\n"
    )
}
