//! In which order a receiver's sources are considered, and which of them are within lastN.

use protocol::ids::SourceName;

use super::constraints::ReceiverConstraints;

/// A source in the order of importance to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<T> {
    /// The source.
    pub source: T,
    /// Height wanted; 0 after lastN took it away or nothing was wanted.
    pub height: i32,
    /// Whether it is on stage.
    pub on_stage: bool,
    /// Whether it sends anything.
    pub enabled: bool,
}

/// Orders `sources` — given by speech activity of their owners, `(source, name, enabled)` — for one receiver:
/// on stage in the order asked for, then selected, then the others, and those that are off last.
pub fn prioritize<T: Copy>(sources: &[(T, &SourceName, bool)], constraints: &ReceiverConstraints) -> Vec<Ranked<T>> {
    let mut ranked: Vec<Ranked<T>> = Vec::with_capacity(sources.len());
    let mut taken = vec![false; sources.len()];
    let mut add = |at: usize, on_stage: bool| {
        if !std::mem::replace(&mut taken[at], true) {
            let (source, name, enabled) = sources[at];
            ranked.push(Ranked { source, height: constraints.height(name), on_stage, enabled });
        }
    };
    for (wanted, on_stage) in constraints
        .on_stage
        .iter()
        .map(|name| (name, true))
        .chain(constraints.selected.iter().map(|name| (name, false)))
    {
        if let Some(at) = sources.iter().position(|(_, name, enabled)| *name == wanted && *enabled) {
            add(at, on_stage);
        }
    }
    for (at, _) in sources.iter().enumerate().filter(|(_, (_, _, enabled))| *enabled) {
        add(at, false);
    }
    for (at, (_, name, _)) in sources.iter().enumerate() {
        add(at, constraints.on_stage.contains(name));
    }
    ranked
}

/// Keeps the wishes of the first `last_n` sources that are on and wanted.
pub fn limit_to_last_n<T>(ranked: &mut [Ranked<T>], last_n: Option<usize>) {
    let mut left = last_n.unwrap_or(usize::MAX);
    for source in ranked {
        if source.height == 0 {
            continue;
        }
        if source.enabled && left > 0 {
            left -= 1;
        } else {
            source.height = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names with `!` are off; result as `name:height`, `*` on stage.
    fn check(sources: &str, on_stage: &str, selected: &str, heights: &str, last_n: Option<usize>, expected: &str) {
        let names = |text: &str| -> Vec<SourceName> {
            text.split_whitespace().map(|name| SourceName::new(name).unwrap()).collect()
        };
        let plain = names(&sources.replace('!', ""));
        let flags: Vec<bool> = sources.split_whitespace().map(|name| !name.ends_with('!')).collect();
        let mut constraints = ReceiverConstraints::default();
        let json = format!(
            r#"{{"defaultConstraints":{{"maxHeight":180}},"constraints":{{{}}}}}"#,
            heights
                .split_whitespace()
                .map(|pair| {
                    let (name, height) = pair.split_once(':').unwrap();
                    format!(r#""{name}":{{"maxHeight":{height}}}"#)
                })
                .collect::<Vec<_>>()
                .join(",")
        );
        constraints.apply(serde_json::from_str(&json).unwrap()).unwrap();
        constraints.on_stage = names(on_stage);
        constraints.selected = names(selected);
        let list: Vec<_> = plain.iter().enumerate().map(|(at, name)| (at, name, flags[at])).collect();
        let mut ranked = prioritize(&list, &constraints);
        limit_to_last_n(&mut ranked, last_n);
        let text: Vec<_> = ranked
            .iter()
            .map(|r| format!("{}{}:{}", plain[r.source], if r.on_stage { "*" } else { "" }, r.height))
            .collect();
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn order() {
        check("a b c d", "", "", "", None, "a:180 b:180 c:180 d:180");
        check("a b c d", "d", "c x", "d:720", None, "d*:720 c:180 a:180 b:180");
        check("a! b c", "a b", "", "", None, "b*:180 c:180 a*:0");
        check("a b c", "c a c", "a", "", None, "c*:180 a*:180 b:180");
    }

    #[test]
    fn last_n() {
        check("a b c d", "d", "", "", Some(2), "d*:180 a:180 b:0 c:0");
        check("a b c d", "", "", "a:0", Some(2), "a:0 b:180 c:180 d:0");
        check("a! b c", "", "", "", Some(1), "b:180 c:0 a:0");
        check("a b", "", "", "", Some(0), "a:0 b:0");
    }
}
