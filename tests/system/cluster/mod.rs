//! The service on a cluster whose nodes die, freeze, take over, and pass on slots.
//!
//! Every test has its own cluster and service, and sends views during the fault. In the end, it compares the acknowledged views
//! with the figures that the service shows, with its export, and with the keys of the primaries.
//!
//! With `TRUYCAP_SOAK=1`, there are more fail-overs and larger sites.

mod failing;
mod losing;
mod moving;
mod setup;

use super::redis::setup::{LOGGING, all_acknowledged, load, soak};
use truycap_test_support::{cluster, counts, load, process, sites};
