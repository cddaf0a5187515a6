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

/// For how many labels there is room below a chart: dates, and the numbers of days or months.
#[derive(Clone, Copy)]
struct Room {
    dates: usize,
    numbers: usize,
}

/// On a wide screen and on a phone.
const WIDE: Room = Room { dates: 16, numbers: 31 };
const NARROW: Room = Room { dates: 6, numbers: 12 };

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
    let weekends: String = steps.iter().enumerate().filter(|(_, step)| is_weekend(step)).map(|(i, _)| slots.rect("weekend", i)).collect();
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
{weekends}{lines}{bars}{labels}</svg>
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

    /// The place of a step, over the whole height.
    fn rect(&self, class: &str, index: usize) -> String {
        let (x, width) = (percent(index as f64 * self.width()), percent(self.width()));
        format!("<rect class=\"{class}\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"100%\"/>\n")
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
    let class = if is_open { "step open" } else { "step" };
    let rect = |class: &str, share: f64, count: u64| {
        let width = slots.bar() * share;
        let (x, y) = (percent(slots.middle(index) - width / 2.0), percent(100.0 - scale.height(count)));
        format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\"/>", percent(width), percent(scale.height(count)))
    };
    let views = rect("views", 1.0, step.counts.views);
    let visits = if with_visits { rect("visits", 0.5, step.counts.visits) } else { String::new() };
    let text = format!("{}: {}", language.step(step), language.counts(step.counts, with_visits));
    format!("<g class=\"{class}\"><title>{text}</title>{}{views}{visits}</g>\n", slots.rect("slot", index))
}

fn is_weekend(step: &Step) -> bool {
    matches!(step.bucket, Bucket::Day(day) if matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
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
    let is_short = is_together(by, steps);
    let sets = [("wide", WIDE), ("narrow", NARROW)];
    sets.into_iter()
        .flat_map(|(class, room)| {
            let (thinning, chosen) = thin(by, steps, if is_short { room.numbers } else { room.dates });
            let form = match thinning {
                Thinning::Months(months) => Form::Begins(months),
                _ if is_short && class == "narrow" => Form::Number,
                _ if is_short => Form::Short,
                _ => Form::Date,
            };
            chosen.into_iter().map(move |index| (class, index, text(language, by, &steps[index], form)))
        })
        .collect()
}

/// Whether all steps are days of one month, or months of one year. Then their labels are short.
fn is_together(by: Period, steps: &[Step]) -> bool {
    let larger = match by {
        Period::Day => Period::Month,
        Period::Month => Period::Year,
        Period::Week | Period::Year => return false,
    };
    let of = |step: Option<&Step>| step.map(|step| larger.bucket(step.days.from));
    of(steps.first()) == of(steps.last())
}

/// Which steps have a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinning {
    /// Each one, or each so many.
    Every(usize),
    Mondays,
    /// Those in which a period of so many months begins.
    Months(u32),
}

/// The least thinning for which there is room.
fn thin(by: Period, steps: &[Step], room: usize) -> (Thinning, Vec<usize>) {
    use Thinning::{Every, Mondays, Months};
    let ways: &[Thinning] = match by {
        Period::Day => &[Every(1), Every(5), Mondays, Months(1), Months(3), Months(12), Months(24), Months(60), Months(120)],
        Period::Week => &[Every(1), Every(2), Every(4), Months(3), Months(12), Months(24), Months(60), Months(120)],
        Period::Month => &[Every(1), Months(3), Months(12), Months(24), Months(60), Months(120), Months(600)],
        Period::Year => &[Every(1), Every(2), Every(5), Every(10), Every(50), Every(100), Every(1000)],
    };
    // A month with its year is longer than a day.
    let fits = |way: &&Thinning| chosen(**way, steps).len() <= if matches!(way, Months(_)) { room * 3 / 4 } else { room };
    let way = ways.iter().find(fits).or(ways.last()).copied().unwrap_or(Every(1));
    (way, chosen(way, steps))
}

fn chosen(way: Thinning, steps: &[Step]) -> Vec<usize> {
    let begins = |i: usize, months: u32| {
        let number = |day: NaiveDate| (day.year() * 12 + day.month0().cast_signed()).div_euclid(months.cast_signed());
        // A period that begins within a month has no label of that month.
        if i == 0 {
            steps[0].days.from.day() <= 7 && starts(steps[0].days.from, months)
        } else {
            number(steps[i - 1].days.to) < number(steps[i].days.to)
        }
    };
    let wanted = |&i: &usize| match way {
        Thinning::Every(count) => i.is_multiple_of(count),
        Thinning::Mondays => steps[i].days.from.weekday() == Weekday::Mon,
        Thinning::Months(months) => begins(i, months),
    };
    (0..steps.len()).filter(wanted).collect()
}

fn starts(day: NaiveDate, months: u32) -> bool {
    (day.year() * 12 + day.month0().cast_signed()).rem_euclid(months.cast_signed()) == 0
}

/// How a label names its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// By its number in the month or year.
    Number,
    /// By its number, or by the name of the month.
    Short,
    /// By its first day, month or year.
    Date,
    /// By the period of so many months that begins within it.
    Begins(u32),
}

fn text(language: Language, by: Period, step: &Step, form: Form) -> String {
    let (first, vietnamese) = (step.days.from, language == Language::Vietnamese);
    let month = |day: NaiveDate| {
        if vietnamese { format!("{}/{}", day.month(), day.year()) } else { format!("{} {}", short_month(day.month()), day.year()) }
    };
    match (form, by) {
        (Form::Begins(months), _) if months.is_multiple_of(12) => step.days.to.year().to_string(),
        (Form::Begins(_), _) => month(step.days.to),
        (Form::Number | Form::Short, Period::Day) => first.day().to_string(),
        (Form::Number, _) => first.month().to_string(),
        (Form::Short, _) if vietnamese => format!("Thg {}", first.month()),
        (Form::Short, _) => short_month(first.month()).to_owned(),
        (Form::Date, Period::Day | Period::Week) if vietnamese => format!("{}/{}", first.day(), first.month()),
        (Form::Date, Period::Day | Period::Week) => format!("{} {}", first.day(), short_month(first.month())),
        (Form::Date, Period::Month) => month(first),
        (Form::Date, Period::Year) => first.year().to_string(),
    }
}
