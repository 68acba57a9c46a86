//! Parses the text file `checkpoint` beside a checkpoint, a text-format `CheckpointState` message,
//! for the path of the folder's current checkpoint.

/// A state file has a few lines; with a long list of checkpoints, thousands.
pub(super) const MAX_STATE_BYTES: u64 = 4 << 20;

/// Returns the value of `model_checkpoint_path`, or `None` if the text has none.
pub(super) fn model_checkpoint_path(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line
            .trim()
            .strip_prefix("model_checkpoint_path")?
            .trim_start();
        let value = value.strip_prefix(':')?.trim();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inside = value.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(unescape(inside)).filter(|path| !path.is_empty())
    })
}

/// Returns the last component of a path that may come from another operating system.
pub(super) fn last_component(path: &str) -> &str {
    path.trim_end_matches(['/', '\\'])
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
}

/// Undoes the C escapes of protocol-buffer text format: `\\`, quotes, and octal bytes.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let mut octal = None;
        while let Some(digit) = rest.next_if(|b| matches!(b, b'0'..=b'7')) {
            let value = octal.unwrap_or(0u32) * 8 + u32::from(digit - b'0');
            octal = Some(value);
            if value >= 0o40 {
                break;
            }
        }
        match octal {
            Some(value) => bytes.push(value as u8),
            None => bytes.extend(rest.next()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_absolute_and_windows_paths_are_read() {
        let cases = [
            (
                "model_checkpoint_path: \"electra_large\"\nall_model_checkpoint_paths: \"x\"\n",
                "electra_large",
            ),
            (
                "all_model_checkpoint_paths: \"x\"\nmodel_checkpoint_path: \"/a b/model.ckpt-7\"",
                "/a b/model.ckpt-7",
            ),
            (
                r#"model_checkpoint_path: "C:\\models\\m.ckpt""#,
                r"C:\models\m.ckpt",
            ),
            (r#"  model_checkpoint_path:"\303\251l""#, "él"),
        ];
        for (text, path) in cases {
            assert_eq!(model_checkpoint_path(text).as_deref(), Some(path), "{text}");
        }
        for text in [
            "",
            "model_checkpoint_path: \"\"",
            "model_checkpoint_path: x",
            "nonsense",
        ] {
            assert_eq!(model_checkpoint_path(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_component_is_found_on_either_system() {
        assert_eq!(last_component("/home/x/model.ckpt-1"), "model.ckpt-1");
        assert_eq!(last_component(r"C:\models\m.ckpt"), "m.ckpt");
        assert_eq!(last_component("plain"), "plain");
    }
}
