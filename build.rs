//! Compresses the files of `web/` that pages load, once and as well as it goes, and names each form by its digest.

use std::{env, error::Error, fs, io::Write, path::Path};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// Those that are sent as they are; `src/http/assets.rs` says where.
const FILES: [&str; 6] = ["counter.js", "widget.css", "box.css", "demo.css", "demo.js", "demo.svg"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::var("OUT_DIR")?;
    for file in FILES {
        let source = format!("web/{file}");
        println!("cargo::rerun-if-changed={source}");
        let plain = fs::read(&source)?;
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
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

fn brotli(plain: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    CompressorWriter::with_params(&mut compressed, 4096, &BrotliEncoderParams::default()).write_all(plain)?;
    Ok(compressed)
}
