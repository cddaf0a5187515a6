//! The tag harms no page: it delays nothing, throws nothing, and depends on nothing that a page replaces.

#![allow(clippy::print_stdout, reason = "a test that fails shows which page was open")]

mod console;
mod globals;
mod lengths;
mod speed;
mod tags;
mod windows;

/// A script of the page that keeps in `seen` what its error handlers and its console see.
const WATCH: &str = "<script>
    window.seen = [];
    window.onerror = (message) => { seen.push('onerror ' + message) };
    addEventListener('unhandledrejection', ({ reason }) => { seen.push('rejection ' + reason) });
    console.error = (text) => { seen.push('console.error ' + text) };
    </script>";

/// Places of every kind.
const PLACES: &str = "<p id=site data-truycap=total>–</p><p id=own data-truycap=article.total>–</p>
    <p id=padded data-truycap=total data-digits=11>–</p><p id=other data-truycap=article.total data-article=/tin/khac>–</p>
    <a href=/tin/khac>Tin khác</a><div data-truycap-box>–</div><ol data-truycap-top=total data-limit=100></ol>";

/// The imported views of `/tin/khac`.
const PAST: &str = "site,article,period,views\nportal,/tin/khac,,7\nportal,,,1000\n";
