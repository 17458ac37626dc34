//! The NICs that `tapboard tap` can be on: what each does for the board.

/// Options for each: many segments in a system call or one; checksums made by the firmware or not, segments too.
pub(crate) const NICS: [&[&str]; 5] = [
    &[],
    &["--checksum-offload"],
    &["--segmentation-offload"],
    &["--offload=off"],
    &["--offload=off", "--checksum-offload"],
];

/// Whether many segments take one system call.
pub(crate) fn segments(nic: &[&str]) -> bool {
    !nic.contains(&"--offload=off")
}
