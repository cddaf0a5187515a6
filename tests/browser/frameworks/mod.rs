//! Pages that are built by the frameworks and libraries of portals, unchanged from the npm registry.

mod htmx;
mod next;
mod react;
mod turbo;
mod vue;
