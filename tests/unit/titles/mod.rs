//! Titles from the portals: what is read from a page, which addresses are connected to, and what a list shows meanwhile.

mod addresses;
mod lists;
mod pages;

use truycap_test_support::hostile_portal;
