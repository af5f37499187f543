//! Server-side includes of Jitsi's `index.html`: `include virtual` and `echo var`. Without them its
//! page has no configuration.

/// Includes within includes.
const DEPTH_MAX: usize = 4;
/// The finished page.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Whether a page has directives.
pub(crate) fn has_directives(page: &str) -> bool {
    page.contains("<!--#")
}

/// Evaluates the directives. `include` gives the text at a path, `variable` the value of a name;
/// where there is none the directive leaves nothing, or its default.
pub(crate) fn evaluate(
    page: &str,
    include: &dyn Fn(&str) -> Option<String>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(page.len() * 2);
    evaluate_into(page, include, variable, 0, &mut out);
    out
}

fn evaluate_into(
    page: &str,
    include: &dyn Fn(&str) -> Option<String>,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
    out: &mut String,
) {
    let mut rest = page;
    while let Some(start) = rest.find("<!--#") {
        let Some(length) = rest[start..].find("-->") else {
            break;
        };
        push(out, &rest[..start]);
        let directive = rest[start + 5..start + length].trim();
        rest = &rest[start + length + 3..];
        if let Some(arguments) = directive.strip_prefix("include") {
            if depth < DEPTH_MAX
                && let Some(text) = argument(arguments, "virtual").and_then(include)
            {
                evaluate_into(&text, include, variable, depth + 1, out);
            }
        } else if let Some(arguments) = directive.strip_prefix("echo") {
            let value = argument(arguments, "var").and_then(variable);
            push(out, &value.unwrap_or_else(|| argument(arguments, "default").unwrap_or_default().to_owned()));
        }
    }
    push(out, rest);
}

fn push(out: &mut String, text: &str) {
    if out.len() + text.len() <= PAGE_BYTES_MAX {
        out.push_str(text);
    }
}

fn argument<'a>(arguments: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = arguments.split_once(&format!("{name}=\""))?;
    after.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str) -> String {
        evaluate(
            page,
            &|path| match path {
                "/config.js" => Some("var subdir = '<!--# echo var=\"subdir\" default=\"none\" -->';".into()),
                "title.html" => Some("<title>T</title>".into()),
                "loop.html" => Some("x<!--#include virtual=\"loop.html\" -->".into()),
                _ => None,
            },
            &|name| (name == "http_host").then(|| "meet.example".to_owned()),
        )
    }

    #[test]
    fn includes_are_evaluated_too() {
        assert_eq!(
            check("<a><!--#include virtual=\"title.html\" --><script><!--#include virtual=\"/config.js\" --></script>"),
            "<a><title>T</title><script>var subdir = 'none';</script>"
        );
        assert_eq!(check("<!--# echo var=\"http_host\" -->!"), "meet.example!");
    }

    #[test]
    fn what_is_missing_leaves_nothing_and_comments_stay() {
        assert_eq!(check("a<!--#include virtual=\"nothing.html\" -->b<!-- c -->"), "ab<!-- c -->");
        assert_eq!(check("a<!--#include virtual=\"title.html\""), "a<!--#include virtual=\"title.html\"");
    }

    #[test]
    fn an_include_of_itself_ends() {
        assert_eq!(check("<!--#include virtual=\"loop.html\" -->"), "x".repeat(DEPTH_MAX));
    }
}
