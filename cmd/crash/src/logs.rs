//! What the logs of the processes tell.

use std::path::Path;

/// Number of logs, and each line of them that tells of a panic.
pub(crate) fn panics(folder: &Path) -> (usize, Vec<String>) {
    let Ok(files) = std::fs::read_dir(folder) else {
        return (0, vec![format!("{} cannot be read", folder.display())]);
    };
    let (mut count, mut panics) = (0, Vec::new());
    for file in files.flatten() {
        count += 1;
        let text = std::fs::read(file.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| line.contains("panicked at"));
        let name = file.file_name();
        panics.extend(lines.map(|line| format!("{}: {line}", name.to_string_lossy())));
    }
    (count, panics)
}

#[cfg(test)]
mod tests {
    use super::panics;

    #[test]
    fn a_panic_in_a_log_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, text| std::fs::write(folder.path().join(name), text).unwrap();
        write("p1.1.log", "INFO connected\n");
        write("p2.1.log", "thread 'main' panicked at src/lib.rs:1:1:\n");
        let (logs, found) = panics(folder.path());
        assert_eq!(logs, 2);
        assert_eq!(
            found,
            ["p2.1.log: thread 'main' panicked at src/lib.rs:1:1:"]
        );
    }
}
