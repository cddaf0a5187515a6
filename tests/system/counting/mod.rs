//! What the real binary promises of numbers: the box of a portal, through midnights and imports.
//!
//! Every test has a directory, ports and processes of its own. Where a test needs another time than now, the process sees
//! it through libfaketime.

mod exporting;
mod figures;
mod importing;
mod interrupted;
mod midnight;
mod mistakes;
mod the_box;

use truycap_test_support::process;
