//! Where in a file a mistake stands, for the messages whose source does not say.

/// What to add to a message of the YAML reader: the fix, or the line if it names none.
pub(crate) fn hint(text: &str, error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    if message.contains("missing field `version`") {
        return ": begin the file with version: 1".into();
    }
    if message.contains(" at line ") {
        return String::new();
    }
    // A mistake in the outermost mapping: the reader names the key, but not where it stands. Of a duplicate, the last.
    let key = message.split('`').nth(1).unwrap_or_default();
    let line = text.lines().collect::<Vec<_>>();
    let line = line.iter().rposition(|line| is_key(line, key));
    line.map(shown).unwrap_or_default()
}

/// ` at line 3`, where the key with this dotted path stands; empty if it is not in the text.
pub(crate) fn of_key(text: &str, path: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let mut at = 0;
    for key in path.split('.') {
        let Some(next) = lines[at..].iter().position(|line| is_key(line, key)) else {
            return String::new();
        };
        at += next;
    }
    shown(at)
}

fn shown(index: usize) -> String {
    format!(" at line {}", index + 1)
}

/// Is this key in this line, in block or in flow style?
fn is_key(line: &str, key: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_start();
    let mut places = line.match_indices(key);
    !line.starts_with('#')
        && places.any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + key.len()..].chars().next();
            before.is_none_or(|c| " {,\"'".contains(c)) && after.is_some_and(|c| ":\"'".contains(c))
        })
}

#[cfg(test)]
mod tests {
    use super::of_key;

    #[test]
    fn keys_are_found_in_block_and_in_flow_style() {
        let block = "version: 1\n# hot: {url: x}\ncold: {}\nhot:\n  info:\n    name: x\n  url: y\n";
        assert_eq!(of_key(block, "hot.url"), " at line 7");
        assert_eq!(of_key("hot: {a: 1, url: y}", "hot.url"), " at line 1");
        assert_eq!(of_key("hot: {curl: y}", "hot.url"), "");
    }
}
