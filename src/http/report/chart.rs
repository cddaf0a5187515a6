//! The chart of a report: bars of views, and of visits within them, as SVG.
//!
//! Positions are shares of the chart's width and lengths are those of the page, so the text of the chart has the same size on
//! a phone and on a desktop. Colours are in `report.css`, because the page allows no styles within it.

use chrono::{Datelike, NaiveDate, Weekday};

use super::words::short_month;
use crate::{
    domain::period::{Bucket, Period},
    http::pages::labels::Language,
    report::{Report, Step},
};

/// The most labels below a chart on a phone and on a wider screen. Numbers of days and months are narrow.
const FEW: usize = 7;
const MANY: usize = 16;
const NARROW_LABELS: usize = 31;

/// The widest bar, in percent of the chart, so that a chart of two steps is no wall.
const WIDEST: f64 = 8.0;

/// The chart, without its legend. `with_visits` is false if the period has no visits.
pub(super) fn chart(language: Language, report: &Report, with_visits: bool) -> String {
    let steps = &report.steps;
    let highest = steps.iter().map(|step| step.counts.views.max(step.counts.visits)).max().unwrap_or_default();
    let Some(scale) = Scale::up_to(highest) else { return String::new() };
    let ticks: String = (0..=scale.lines).rev().map(|line| format!("<span>{}</span>", language.number(line * scale.step))).collect();
    let lines: String = (0..=scale.lines).map(|line| grid_line(&scale, line)).collect();
    let slots = Slots { count: steps.len() };
    let today = report.made.date_naive();
    let bars: String =
        steps.iter().enumerate().map(|(i, step)| bar(language, &slots, &scale, (i, step), today <= step.days.to, with_visits)).collect();
    let labels = labels(language, report.by, steps);
    let labels: String = labels.iter().map(|(class, index, text)| label(class, slots.middle(*index), text)).collect();
    let title = language.choose("Biểu đồ lượt xem và lượt truy cập", "Chart of views and visits");
    let description = description(language, report, with_visits);
    format!(
        r#"<div class="plot">
<div class="scale" aria-hidden="true">{ticks}</div>
<svg width="100%" height="100%" role="img" aria-labelledby="chart-title chart-description">
<title id="chart-title">{title}</title>
<desc id="chart-description">{description}</desc>
{lines}{bars}{labels}</svg>
</div>
"#
    )
}

/// What the chart shows, for readers who do not see it.
fn description(language: Language, report: &Report, with_visits: bool) -> String {
    let best = report.steps.iter().max_by_key(|step| (step.counts.views, std::cmp::Reverse(step.days.from)));
    let best = best.map(|step| format!("{}: {}", language.step(step), language.counts(step.counts, with_visits))).unwrap_or_default();
    let (highest, table) = language_pair(language);
    format!("{}. {highest} {best}. {table}", language.name_of(report.days))
}

fn language_pair(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::Vietnamese => ("Cao nhất,", "Bảng bên dưới có đủ các số."),
        Language::English => ("Highest,", "The table below has all numbers."),
    }
}

/// An axis from 0 to `lines` times `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The distance of two lines: 1, 2 or 5 with zeros.
    pub step: u64,
    /// How many lines there are above 0: 1 to 5.
    pub lines: u64,
}

impl Scale {
    /// The axis with the smallest round steps that has at most five lines and reaches a count; `None` for 0.
    #[must_use]
    pub fn up_to(highest: u64) -> Option<Self> {
        let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(10));
        let mut steps = powers.flat_map(|power| [1, 2, 5].into_iter().filter_map(move |factor| power.checked_mul(factor)));
        let step = steps.find(|step| highest.div_ceil(*step) <= 5)?;
        (highest > 0).then(|| Self { step, lines: highest.div_ceil(step) })
    }

    /// A count's height in percent of the axis.
    fn height(self, count: u64) -> f64 {
        count as f64 * 100.0 / (self.step as f64 * self.lines as f64)
    }
}

/// The places of bars, in percent of the chart's width.
struct Slots {
    count: usize,
}

impl Slots {
    fn width(&self) -> f64 {
        100.0 / self.count as f64
    }

    fn middle(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * self.width()
    }

    /// The width of a bar. Many bars touch, because a gap would be thinner than a pixel.
    fn bar(&self) -> f64 {
        let share = if self.count > 120 { 1.0 } else { 0.72 };
        (self.width() * share).min(WIDEST)
    }
}

fn grid_line(scale: &Scale, line: u64) -> String {
    let y = percent(100.0 - scale.height(line * scale.step));
    let class = if line == 0 { "zero" } else { "line" };
    format!("<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\n")
}

/// The bars of a step, with a text that shows when the pointer is over them.
fn bar(language: Language, slots: &Slots, scale: &Scale, (index, step): (usize, &Step), is_open: bool, with_visits: bool) -> String {
    let weekend = matches!(step.bucket, Bucket::Day(day) if matches!(day.weekday(), Weekday::Sat | Weekday::Sun));
    let classes = format!("step{}{}", if weekend { " weekend" } else { "" }, if is_open { " open" } else { "" });
    let (left, width) = (percent(index as f64 * slots.width()), percent(slots.width()));
    let rect = |class: &str, share: f64, count: u64| {
        let width = slots.bar() * share;
        let (x, y) = (percent(slots.middle(index) - width / 2.0), percent(100.0 - scale.height(count)));
        format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\"/>", percent(width), percent(scale.height(count)))
    };
    let views = rect("views", 1.0, step.counts.views);
    let visits = if with_visits { rect("visits", 0.5, step.counts.visits) } else { String::new() };
    let text = format!("{}: {}", language.step(step), language.counts(step.counts, with_visits));
    format!(
        "<g class=\"{classes}\"><title>{text}</title><rect class=\"slot\" x=\"{left}\" y=\"0\" width=\"{width}\" height=\"100%\"/>{views}{visits}</g>\n"
    )
}

fn label(class: &str, x: f64, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{}\" y=\"100%\" dy=\"1.5em\">{text}</text>\n", percent(x))
}

fn percent(share: f64) -> String {
    let text = format!("{share:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + "%"
}

/// The labels of the steps that have one, each with its class: those for a wide chart and those for a narrow one.
fn labels(language: Language, by: Period, steps: &[Step]) -> Vec<(&'static str, usize, String)> {
    let sets = [("wide", MANY), ("narrow", FEW)];
    sets.into_iter()
        .flat_map(|(class, most)| {
            let (thinning, chosen) = thin(by, steps, most);
            chosen.into_iter().map(move |index| (class, index, text(language, by, &steps[index], thinning, class == "narrow")))
        })
        .collect()
}

/// Which steps have a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinning {
    /// Each one of a period within a month or year.
    Each,
    /// Each one, or each so many.
    Every(usize),
    Mondays,
    /// The first step of so many months.
    Months(u32),
}

/// The least thinning by which so many labels have room.
fn thin(by: Period, steps: &[Step], most: usize) -> (Thinning, Vec<usize>) {
    use Thinning::{Each, Every, Mondays, Months};
    let ways: &[Thinning] = match by {
        Period::Day => &[Each, Every(1), Every(5), Mondays, Months(1), Months(3), Months(12), Months(24), Months(60), Months(120)],
        Period::Week => &[Every(1), Every(2), Every(4), Months(3), Months(12), Months(24), Months(60), Months(120)],
        Period::Month => &[Each, Every(1), Months(3), Months(12), Months(24), Months(60), Months(120), Months(600)],
        Period::Year => &[Every(1), Every(2), Every(5), Every(10), Every(50), Every(100), Every(1000)],
    };
    let fits = |way: &&Thinning| {
        let count = chosen(**way, steps).len();
        match way {
            Each => is_together(by, steps) && count <= if most == FEW && by == Period::Day { FEW } else { NARROW_LABELS },
            _ => count <= most,
        }
    };
    let way = ways.iter().find(fits).or(ways.last()).copied().unwrap_or(Each);
    (way, chosen(way, steps))
}

/// Whether all steps are within one month, or one year if they are months. Then a label is short.
fn is_together(by: Period, steps: &[Step]) -> bool {
    let larger = if by == Period::Day { Period::Month } else { Period::Year };
    let first = steps.first().map(|step| larger.bucket(step.days.from));
    steps.last().map(|step| larger.bucket(step.days.from)) == first
}

fn chosen(way: Thinning, steps: &[Step]) -> Vec<usize> {
    let begins = |i: usize, months: u32| {
        let number = |day: NaiveDate| (day.year() * 12 + day.month0().cast_signed()).div_euclid(months.cast_signed());
        // A period that begins within a month has no label of that month.
        if i == 0 { steps[0].days.from.day() <= 7 && starts(steps[0].days.from, months) } else { number(steps[i - 1].days.to) < number(steps[i].days.to) }
    };
    let wanted = |&i: &usize| match way {
        Thinning::Each => true,
        Thinning::Every(count) => i.is_multiple_of(count),
        Thinning::Mondays => steps[i].days.from.weekday() == Weekday::Mon,
        Thinning::Months(months) => begins(i, months),
    };
    (0..steps.len()).filter(wanted).collect()
}

fn starts(day: NaiveDate, months: u32) -> bool {
    (day.year() * 12 + day.month0().cast_signed()).rem_euclid(months.cast_signed()) == 0
}

/// A label's text, as short as it can be in its place.
fn text(language: Language, by: Period, step: &Step, way: Thinning, is_narrow: bool) -> String {
    let (day, vietnamese) = (step.days.from, language == Language::Vietnamese);
    // The month that begins within a week.
    let named = if matches!(way, Thinning::Months(_)) { step.days.to } else { day };
    let month = |day: NaiveDate| if vietnamese { format!("{}/{}", day.month(), day.year()) } else { format!("{} {}", short_month(day.month()), day.year()) };
    match (by, way) {
        (_, Thinning::Months(months)) if months.is_multiple_of(12) => named.year().to_string(),
        (_, Thinning::Months(_)) => month(named),
        (Period::Day, Thinning::Each) => day.day().to_string(),
        (Period::Day | Period::Week, _) if vietnamese => format!("{}/{}", day.day(), day.month()),
        (Period::Day | Period::Week, _) => format!("{} {}", day.day(), short_month(day.month())),
        (Period::Month, Thinning::Each) if is_narrow => day.month().to_string(),
        (Period::Month, Thinning::Each) if vietnamese => format!("Tháng {}", day.month()),
        (Period::Month, Thinning::Each) => short_month(day.month()).to_owned(),
        (Period::Month, _) => month(day),
        (Period::Year, _) => day.year().to_string(),
    }
}
