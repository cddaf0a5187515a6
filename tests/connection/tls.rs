//! Encrypted.
