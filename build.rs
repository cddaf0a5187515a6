//! What is done when the program is built.
//!
//! - The files of `web/` that pages load are tightened and compressed, once and as well as it goes, and each form is named
//!   by its digest.
//! - The commit is named, as `BUILD_COMMIT`. Not as `TRUYCAP_…`: cargo hands it to what it runs, where it would be taken for
//!   a key of the configuration.

use std::{env, error::Error, fs, io::Write, path::Path, process::Command};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use sha2::{Digest, Sha256};

/// Those that are sent as they are; `src/http/assets.rs` says where.
const FILES: [&str; 6] = ["counter.js", "widget.css", "box.css", "demo.css", "demo.js", "demo.svg"];

fn main() -> Result<(), Box<dyn Error>> {
    name_commit();
    compress()
}

fn compress() -> Result<(), Box<dyn Error>> {
    let folder = env::var("OUT_DIR")?;
    for file in FILES {
        let source = format!("web/{file}");
        println!("cargo::rerun-if-changed={source}");
        let text = fs::read_to_string(&source)?;
        let plain = if file.ends_with(".js") { tightened(&text) } else { text }.into_bytes();
        for (coding, bytes) in [("gzip", gzip(&plain)?), ("br", brotli(&plain)?), ("identity", plain)] {
            let digest: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let path = Path::new(&folder).join(format!("{file}.{coding}"));
            fs::write(&path, bytes)?;
            fs::write(path.with_extension(format!("{coding}.etag")), format!("\"{digest}\""))?;
        }
    }
    Ok(())
}

/// A script without its comments, and without white space beside punctuation. It is told apart by its looks: comments
/// have a line to themselves or stand between ` // ` and its end, and no text has white space beside punctuation.
fn tightened(script: &str) -> String {
    let code = script.lines().map(|line| line.split(" // ").next().unwrap_or_default().trim());
    let code = code.filter(|line| !line.is_empty() && !line.starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut tight = String::new();
    for (at, char) in code.char_indices() {
        let before = tight.chars().next_back().unwrap_or('\n');
        let after = code[at..].chars().nth(1).unwrap_or('\n');
        let needless = match char {
            ' ' => [before, after].iter().any(|beside| "=?:&|,;{}()<>!+".contains(*beside)),
            // A statement may end here without a semicolon, unless the line says that it does not.
            '\n' => ";{(,:?&|>=".contains(before) || after == '}',
            _ => false,
        };
        if char == '}' && before == ';' {
            tight.pop();
        }
        if !needless {
            tight.push(char);
        }
    }
    tight
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

/// The variable `TRUYCAP_COMMIT` says it; without it, git is asked, where there is one. A debug build does not ask: each
/// commit would have all of it compiled anew.
fn name_commit() {
    println!("cargo::rerun-if-env-changed=TRUYCAP_COMMIT");
    let given = env::var("TRUYCAP_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match env::var("PROFILE").as_deref() {
        Ok("debug") => given.unwrap_or_else(|| "debug".into()),
        _ => given.or_else(asked).unwrap_or_else(|| "unknown".into()),
    };
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
}

/// The commit that is checked out; asked again after the next one.
fn asked() -> Option<String> {
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
