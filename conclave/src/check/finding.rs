use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Looked at and right.
    Ok,
    /// It works, but not for everybody or not for long.
    Warning,
    /// It does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Which check found it, by its name on the command line.
    pub(crate) check: &'static str,
    pub(crate) severity: Severity,
    /// What is right, or what is wrong and what to do: one sentence.
    pub(crate) message: String,
}

/// All findings, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, Severity::Ok, message.into());
    }

    pub(crate) fn warning(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, Severity::Warning, message.into());
    }

    pub(crate) fn error(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, Severity::Error, message.into());
    }

    fn add(&mut self, check: &'static str, severity: Severity, message: String) {
        // The same sentence may come from two parts that read the same key.
        if self.findings.iter().all(|finding| finding.message != message) {
            self.findings.push(Finding { check, severity, message });
        }
    }

    /// The worst finding.
    pub(crate) fn severity(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_counts_and_none_is_said_twice() {
        let mut report = Report::default();
        assert_eq!(report.severity(), Severity::Ok);
        report.ok("config", "fine");
        report.warning("certs", "soon");
        report.warning("certs", "soon");
        assert_eq!((report.severity(), report.findings.len()), (Severity::Warning, 2));
        report.error("media", "broken");
        report.ok("media", "well");
        assert_eq!(report.severity(), Severity::Error);
    }
}
