//! The tables of `docs/conformance.md` name tests that there are.

use std::fs;
use std::path::Path;

#[test]
fn each_test_that_a_requirement_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let (requirements, _) = page.split_once("\n## Scripts of others").unwrap();
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2) {
        if Path::new(name).extension().is_some_and(|extension| extension == "pkt") {
            assert!(root.join("tests/packetdrill/scripts").join(name).exists(), "{name}");
            continue;
        }
        let Some((file, function)) = name.rsplit_once('/') else { continue };
        if file == "tests" || function.contains(['/', '.']) {
            continue;
        }
        let text = fs::read_to_string(root.join(format!("tests/{file}.rs")))
            .or_else(|_| fs::read_to_string(root.join(format!("tests/{file}/main.rs"))))
            .expect(name);
        assert!(text.contains(&format!("#[test]\nfn {function}() {{\n")), "{name}");
        named += 1;
    }
    assert!(named > 50, "{named}");
    for row in requirements.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let [_, _, kept, why] = cells[..] else { continue };
        assert!(["kept", "yes", "part", "no", "smoltcp"].contains(&kept), "{row}");
        assert!(kept == "smoltcp" || !why.is_empty(), "{row}");
    }
}
