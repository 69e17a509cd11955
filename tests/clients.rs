//! Published clients, as published, against this build. `make test` brings what they need.

use std::process::Command;

/// Where `make` has put the Python that has chzzkpy.
const PYTHON: &str = "CLIENTS_PYTHON";

#[test]
#[ignore = "needs Node, Python and their packages: make test"]
fn published_clients_work_unmodified() {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| panic!("{PYTHON} names the Python to use: run 'make test'"));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let ended = Command::new(&python)
        .arg(format!("{folder}/run.py"))
        .args(["--madang", env!("CARGO_BIN_EXE_madang"), "--node", "node", "--python", &python])
        .status()
        .unwrap_or_else(|error| panic!("{python}: {error}"));
    assert!(ended.success(), "{ended}");
}
