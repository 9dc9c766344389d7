//! What the fuzzer found worth keeping, replayed.

#[expect(clippy::expect_used, reason = "a program of bytes that cannot be set up must say so")]
#[path = "../../../../fuzz/fuzz_targets/interpreter.rs"]
mod interpreter;

#[test]
#[expect(clippy::print_stdout, reason = "a failure must name its file")]
fn the_regressions_of_the_fuzzer_pass() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/regressions");
    let mut replayed = 0;
    for file in std::fs::read_dir(kept).unwrap() {
        let path = file.unwrap().path();
        println!("replaying {}", path.display());
        interpreter::run(&std::fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "no regression was found in {kept}");
}
