//! Metrics that are read at a scrape: state that exists anyway needs no second copy that could differ from it.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// How a value changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only increases.
    Counter,
    /// It increases and decreases.
    Gauge,
}

/// A metric with its present values; each has a value for every label, in the order of `labels`.
pub fn family<'a, const N: usize>(
    kind: Kind,
    name: &str,
    help: &str,
    labels: [&str; N],
    values: impl IntoIterator<Item = ([&'a str; N], f64)>,
) -> MetricFamily {
    let metric = |(of, value): ([&str; N], f64)| {
        let mut metric = Metric::from_label(labels.iter().zip(of).map(|(name, value)| pair(name, value)).collect());
        match kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        metric
    };
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(match kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
    });
    family.set_metric(values.into_iter().map(metric).collect());
    family
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
