//! The real binary counts exactly: the box of a portal, through midnights and imports.
//!
//! Every test has its own directory, ports and processes. A test that needs another time sets the clock of its processes
//! with libfaketime.

mod explaining;
mod exporting;
mod figures;
mod importing;
mod interrupted;
mod jump;
mod logs;
mod midnight;
mod mistakes;
mod the_box;
mod uncounted;

use truycap_test_support::process;
