//! Where in a file a mistake stands, for the messages whose source does not say.

/// What to add to a message of the YAML reader: the fix, or the line if it names none.
pub(crate) fn hint(text: &str, error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    let is_whole = message.starts_with("invalid type") && message.contains("a mapping of keys");
    if message.contains("missing field `version`") || (is_whole && message.contains(" at line ")) {
        return ": begin the file with version: 1".into();
    }
    if message.contains(" at line ") {
        return String::new();
    }
    let lines: Vec<_> = text.lines().collect();
    if message.contains("more than one document") {
        return second_document(&lines).map_or_else(String::new, |line| {
            shown(line) + ": leave out all that stands from this line on"
        });
    }
    // A mistake in the outermost mapping: the reader names the key, but not where it stands. Of a duplicate, the last.
    let Some(key) = message.split('`').nth(1) else {
        let line = lines.iter().position(|line| says_something(line));
        return line.map(shown).unwrap_or_default() + ": begin the file with version: 1";
    };
    let line = lines.iter().rposition(|line| is_key(line, key));
    line.map(shown).unwrap_or_default()
}

/// Where a second YAML document begins.
fn second_document(lines: &[&str]) -> Option<usize> {
    let first = lines.iter().position(|line| says_something(line))?;
    let ends = |line: &&str| line.starts_with("---") || line.starts_with("...");
    let second = lines[first + 1..].iter().position(ends)?;
    Some(first + 1 + second)
}

fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
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
