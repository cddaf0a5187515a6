//! The service on a Redis that is killed, frozen, emptied, rewound, replaced, full or damaged.
//!
//! Every test has its own server, service and directory, and sends views during the fault. In the end, it compares the
//! acknowledged views with the figures that the service shows, with its export, and with the keys in Redis.
//!
//! With `TRUYCAP_SOAK=1`, there are more kills and longer outages.

mod backups;
mod checking;
mod copies;
mod damage;
mod frozen;
mod killing;
mod losing;
mod moving;
mod outage;
mod promoted;
mod refusing;
mod rewound;
pub(crate) mod setup;
mod sharing;
mod starting;
mod visitors;
mod waiting;

use truycap_test_support::{
    cluster, counts, disk, kill, load, on_redis, process, redis_server, sentinel_set, sites, together, traces, views,
};
