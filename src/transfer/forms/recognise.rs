//! Which form a file has, by its header.

use super::{ga4::Ga4, goatcounter::GoatCounter, matomo::Matomo, own::Own, plausible::Plausible};
use crate::transfer::{
    header::Header,
    reading::{Format, Reading},
    row::Form,
    until::Until,
};

/// The form of a file with this header; or all mistakes, one sentence each.
pub(in crate::transfer) fn recognise(header: &Header, reading: &Reading) -> Result<(Format, Box<dyn Form>), Vec<String>> {
    let found = if Own::has(header) {
        Some(Format::Csv)
    } else if GoatCounter::has(header) {
        Some(Format::GoatCounter)
    } else if Plausible::has(header) {
        Some(Format::Plausible)
    } else if Matomo::has(header) {
        Some(Format::Matomo)
    } else if Ga4::has(header) {
        Some(Format::Ga4)
    } else {
        None
    };
    if let (None, Some(what)) = (found, other(header)) {
        return Err(vec![what]);
    }
    let format = match (reading.format, found) {
        // The rows of a query have truycap's own columns.
        (Some(Format::Umami) | None, Some(Format::Csv)) => Format::Csv,
        (Some(wanted), found) if Some(wanted) != found => {
            let is = found.map_or_else(|| format!("its columns are {}", header.text()), |found| format!("it is a {}", found.name()));
            return Err(vec![format!("this is no {}: {is}", wanted.name())]);
        }
        (_, Some(found)) => found,
        (_, None) => return Err(vec![unknown(header)]),
    };
    match format {
        Format::Ga4 => Ok((format, Box::new(Ga4::open(header, reading)?))),
        Format::GoatCounter => Ok((format, Box::new(GoatCounter::open(header, reading)?))),
        Format::Matomo => Ok((format, Box::new(Matomo::open(header, reading)?))),
        Format::Plausible => Ok((format, Box::new(Plausible::open(header, reading)?))),
        _ => {
            if matches!(reading.until, Some(Until::Moment(_))) {
                return Err(vec!["the file has days and no times, so --until must be a day, such as 2026-11-22".into()]);
            }
            let own = Own::open(header, &reading.sites, reading.site.as_ref(), reading.until)?;
            Ok((format, Box::new(own)))
        }
    }
}

/// What a file is that cannot be imported although its header is known, and what to do.
fn other(header: &Header) -> Option<String> {
    let umami = header.names == ["x", "y"];
    let umami = umami.then(|| {
        "this is an export of Umami's pages: it counts visitors and not views, of one period without days; \
         export views by a query on its database (see docs/import-export.md)"
            .into()
    });
    umami.or_else(|| Plausible::other(header))
}

/// What is said of a header that is not known.
fn unknown(header: &Header) -> String {
    format!("{:?} are not the names of columns; the first line must be site,article,period,views", header.text())
}
