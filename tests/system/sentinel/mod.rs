//! The service on a primary that sentinels choose.
//!
//! Every test has its own servers, sentinels, network between them and service, and sends views during the fault. In the end,
//! it compares the acknowledged views with the figures that the service shows, with its export, and with the primary's keys.
//!
//! With `TRUYCAP_SOAK=1`, there are more fail-overs and longer outages.

mod asked;
mod away;
mod failing;
mod measure;
mod moving;
mod passwords;
mod sentinels;
mod set;
mod setup;

use super::redis::setup::{LOGGING, all_acknowledged, load, soak};
use truycap_test_support::{counts, load, process, redis_server, sentinel_set, sites};
