//! HTTP by curl: a client that nobody here wrote.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// 0: there was no answer; `said` is why.
    pub(crate) status: u16,
    headers: Value,
    pub(crate) body: Vec<u8>,
    /// curl's own words.
    pub(crate) said: String,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header's first value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers[name][0].as_str().map(str::to_owned)
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "{} instead of {status}: {} {}", self.status, self.text(), self.said);
        self
    }

    /// It is a problem document with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem.header("content-type").as_deref(), Some("application/problem+json"));
        let problem = problem.json();
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }
}

/// One call of curl.
pub(crate) fn curl(arguments: &[&str]) -> Answer {
    // Status and headers go to standard error in one line of JSON, so that the body stays as it is.
    let facts = r#"%{stderr}{"status":%{http_code},"headers":%{header_json}}"#;
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "120", "--write-out", facts])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("curl is needed for this test");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let facts = said.find(r#"{"status""#).and_then(|at| serde_json::from_str::<Value>(&said[at..]).ok());
    let facts = facts.unwrap_or_default();
    let status = facts["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    Answer { status, headers: facts["headers"].clone(), body: output.stdout, said }
}

/// The API at one address, with or without a token.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(base: String) -> Self {
        Self { base, token: None }
    }

    pub(crate) fn with_token(&self, token: String) -> Self {
        Self { base: self.base.clone(), token: Some(token) }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("a token")
    }

    /// A call with further arguments of curl; `path` is on this server.
    pub(crate) fn call(&self, arguments: &[&str], path: &str) -> Answer {
        let url = format!("{}{path}", self.base);
        let bearer = self.token.as_ref().map(|token| format!("authorization: Bearer {token}"));
        let mut all = arguments.to_vec();
        if let Some(bearer) = &bearer {
            all.extend(["--header", bearer]);
        }
        all.push(&url);
        curl(&all)
    }

    /// A GET of any path; none while nobody answers.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        Some(self.call(&[], path)).filter(|answer| answer.status != 0)
    }

    /// A GET below `/api/v1`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call(&[], &format!("/api/v1{path}"))
    }

    /// A POST below `/api/v1`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(&[], path, body)
    }

    /// The same with further arguments of curl.
    pub(crate) fn post_with(&self, arguments: &[&str], path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let mut all = arguments.to_vec();
        all.extend(["--header", "content-type: application/json", "--data", &body]);
        self.call(&all, &format!("/api/v1{path}"))
    }

    /// All items of a list, page by page.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{mark}limit=1000{cursor}")).expect(200).json();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The value of one series of `/metrics`; its labels stand in the name.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.call(&[], "/metrics").expect(200).text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is not in:\n{text}")).parse().expect("a number")
    }
}
