//! The build script.
//!
//! - It compresses the files of `web/` that pages load, and makes an ETag of each form from its digest.
//! - It sets `BUILD_COMMIT` to the commit. The name does not begin with `TRUYCAP_`: cargo passes the variable to what it runs,
//!   and the service would take it for a key of the configuration.

use std::{env, error::Error, fs, io::Write, path::Path, process::Command};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use sha2::{Digest, Sha256};

/// The files of `web/` that are served unchanged; `src/http/pages/assets.rs` has their paths. `scripts/web.sh` builds those in `dist`.
const FILES: [&str; 8] = ["dist/counter.js", "dist/widget.js", "widget.css", "box.css", "report.css", "demo.css", "demo.js", "demo.svg"];

fn main() -> Result<(), Box<dyn Error>> {
    set_commit();
    compress()
}

fn compress() -> Result<(), Box<dyn Error>> {
    let folder = env::var("OUT_DIR")?;
    for file in FILES {
        let source = format!("web/{file}");
        println!("cargo::rerun-if-changed={source}");
        let plain = fs::read(&source)?;
        let file = file.trim_start_matches("dist/");
        for (coding, bytes) in [("gzip", gzip(&plain)?), ("br", brotli(&plain)?), ("identity", plain)] {
            let digest: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let path = Path::new(&folder).join(format!("{file}.{coding}"));
            fs::write(&path, bytes)?;
            fs::write(path.with_extension(format!("{coding}.etag")), format!("\"{digest}\""))?;
        }
    }
    Ok(())
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, plain, &mut compressed)?;
    Ok(compressed)
}

fn brotli(plain: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    CompressorWriter::with_params(&mut compressed, 4096, &BrotliEncoderParams::default()).write_all(plain)?;
    Ok(compressed)
}

/// Takes the commit from the variable `TRUYCAP_COMMIT`, otherwise from git if it is installed. A debug build does not ask git,
/// because every commit would recompile everything.
fn set_commit() {
    println!("cargo::rerun-if-env-changed=TRUYCAP_COMMIT");
    let given = env::var("TRUYCAP_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match env::var("PROFILE").as_deref() {
        Ok("debug") => given.unwrap_or_else(|| "debug".into()),
        _ => given.or_else(commit_from_git).unwrap_or_else(|| "unknown".into()),
    };
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
}

/// The commit that is checked out. The script runs again after the next commit.
fn commit_from_git() -> Option<String> {
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
