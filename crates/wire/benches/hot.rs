//! The hot path, measured.

fn main() {
    divan::main();
}
