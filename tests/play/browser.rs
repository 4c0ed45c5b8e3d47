//! The page in a real browser: what somebody types, sees and hears of it.
//!
//! `RUNSTAMP_UPDATE_SCREENSHOTS=1 cargo test --test play` writes the pictures in `docs/`.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Once;

use serde_json::{Value, json};

use crate::chromium::{Browser, program};
use crate::served::Served;

/// Most bytes of a picture in the documents.
const LARGEST_PICTURE: usize = 200 * 1024;

/// The verdict is there, and it is that of what stands in the page now.
const SETTLED: &str = "document.getElementById('verdict').textContent !== '' && !document.body.dataset.busy";

static SKIPPED: Once = Once::new();

/// A page in a browser, or nothing where there is no browser.
struct Page {
    browser: Browser,
    served: Served,
}

impl Page {
    fn open(arguments: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            let required = std::env::var("RUNSTAMP_BROWSER").is_ok_and(|value| value == "required");
            assert!(!required, "there is no Chromium (RUNSTAMP_BROWSER=required)");
            // Past the capture of the test harness, and once: what was not proven must be seen.
            SKIPPED.call_once(|| {
                let _ = writeln!(
                    io::stderr(),
                    "runstamp play tests: SKIPPED, the page was not tried in a browser: there is no Chromium; install one (apt-get install chromium) or name it in RUNSTAMP_CHROMIUM"
                );
            });
            return None;
        };
        let served = Served::start(arguments);
        let mut page = Self {
            browser: Browser::start(&program),
            served,
        };
        page.browser.resize(1280, 960);
        let url = page.served.url();
        page.browser.open(&url);
        page.settle();
        Some(page)
    }

    #[track_caller]
    fn settle(&mut self) {
        self.browser.until(SETTLED);
    }

    #[track_caller]
    fn verdict(&mut self) -> String {
        self.settle();
        self.text("#verdict")
    }

    /// What an element says.
    #[track_caller]
    fn text(&mut self, selector: &str) -> String {
        let text = self
            .browser
            .eval(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().unwrap_or_default().trim().to_owned()
    }

    /// How many elements there are.
    #[track_caller]
    fn count(&mut self, selector: &str) -> u64 {
        let count = self
            .browser
            .eval(&format!("document.querySelectorAll({}).length", json!(selector)));
        count.as_u64().unwrap()
    }

    #[track_caller]
    fn focused(&mut self) -> String {
        let id = self.browser.eval("document.activeElement.id");
        id.as_str().unwrap().to_owned()
    }

    /// Puts the caret into a text and replaces all of it, by keyboard.
    #[track_caller]
    fn retype(&mut self, id: &str, text: &str) {
        self.browser.eval(&format!("document.getElementById('{id}').focus()"));
        self.browser.press("Ctrl+a");
        if text.is_empty() {
            self.browser.press("Backspace");
        } else {
            self.browser.write(text);
        }
        let expected = json!(text);
        self.browser
            .until(&format!("document.getElementById('{id}').value === {expected}"));
        self.settle();
    }

    /// Chooses an option by its text.
    #[track_caller]
    fn choose(&mut self, id: &str, option: &str) {
        let found = self.browser.eval(&format!(
            "(() => {{ const list = document.getElementById('{id}'); \
               const index = [...list.options].findIndex((option) => option.textContent === {}); \
               list.selectedIndex = index; list.dispatchEvent(new Event('change', {{bubbles: true}})); return index; }})()",
            json!(option)
        ));
        assert!(found.as_i64().unwrap() >= 0, "no option {option} in {id}");
        self.settle();
    }

    /// Nothing was fetched from elsewhere, nothing was forbidden, nothing went wrong.
    #[track_caller]
    fn assert_quiet(&mut self) {
        let url = self.served.url();
        let requests = self.browser.events("Network.requestWillBeSent");
        assert!(requests.len() > 5, "{requests:?}");
        for request in requests {
            let asked = request["request"]["url"].as_str().unwrap();
            assert!(asked.starts_with(&url) || asked == "about:blank", "{asked}");
        }
        for method in ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"] {
            assert_eq!(self.browser.events(method), Vec::<Value>::new(), "{method}");
        }
    }
}

fn example(name: &str) -> String {
    fs::read_to_string(format!("examples/{name}.yaml")).unwrap()
}

#[test]
fn a_decision_changes_while_somebody_types() {
    let Some(mut page) = Page::open(&[]) else { return };
    assert_eq!(page.verdict(), "Allowed, with changes");
    assert_eq!(page.text("#verdict-detail"), "9 removed · 3 injected · 2 warnings");
    assert!(
        page.text(".diff")
            .contains("+    github.integrations.tekton.dev/owner: acme")
    );
    assert_eq!(page.count("tbody tr"), 8, "the facts of the trigger");

    page.retype("run-text", &example("malformed-run"));
    assert_eq!(page.verdict(), "Refused");
    assert_eq!(page.text("#verdict-detail"), "3 mistakes");
    assert!(
        page.text(".group.refused")
            .contains("expected a whole number, found \"acme-app\"")
    );
    assert_eq!(
        page.count("#run .gutter .error"),
        3,
        "each mistake is marked at its line"
    );

    page.retype("run-text", &example("clean-run"));
    assert_eq!(page.verdict(), "Allowed as it is");
    // A policy that is for this Run, letter by letter, and then one that is not.
    page.retype("policies-text", &example("policies/team-web"));
    assert_eq!(page.verdict(), "Allowed as it is");
    page.browser.eval("document.getElementById('sender').open = true");
    page.browser.eval("document.getElementById('namespace').focus()");
    for letter in "web-shop".chars() {
        page.browser.press(&letter.to_string());
    }
    page.browser
        .until("document.getElementById('verdict').textContent === 'Refused'");
    assert!(
        page.text(".group.refused").contains("policy team-web"),
        "{}",
        page.text("#runs")
    );
    assert_eq!(page.text("#sender-summary"), "nobody in particular to web-shop");

    page.retype("run-text", "");
    assert_eq!(page.verdict(), "No Run yet");
    assert_eq!(page.text("#runs"), "");
    page.assert_quiet();
}

#[test]
fn a_mistake_in_a_policy_is_marked_at_its_place() {
    let Some(mut page) = Page::open(&[]) else { return };
    let broken = example("policies/team-web")
        .replace("kinds:", "kind:")
        .replace("channel:", "chanel:");
    page.retype("policies-text", &broken);
    assert_eq!(page.verdict(), "No decision");
    assert_eq!(page.text("#verdict-detail"), "the policies hold 2 mistakes");
    let marked = page
        .browser
        .eval("[...document.querySelectorAll('#policies .gutter .error')].map((line) => line.textContent)");
    assert_eq!(marked, json!(["7", "23"]));
    let under = page
        .browser
        .eval("[...document.querySelectorAll('#policies .mark span')].map((span) => span.textContent)");
    assert_eq!(under, json!(["kind", "chanel"]));
    // The mark lies where the text is drawn.
    let distance = page.browser.eval(
        "(() => { const mark = document.querySelector('#policies .mark span').getBoundingClientRect(); \
           const key = [...document.querySelectorAll('#policies .colours .key')].filter((key) => key.textContent === 'kind')[1].getBoundingClientRect(); \
           return Math.max(Math.abs(mark.left - key.left), Math.abs(mark.top - key.top), Math.abs(mark.right - key.right)); })()",
    );
    assert!(distance.as_f64().unwrap() < 2.0, "{distance}");
    let said = page.text("#policies-problems");
    assert!(said.contains("did you mean kinds?") && said.contains("7:5"), "{said}");
    assert_eq!(
        page.browser
            .eval("document.getElementById('policies-text').getAttribute('aria-invalid')"),
        "true"
    );
    // The last decision stays, and says that it is old.
    assert_eq!(page.count("#runs[data-stale] .reviewed"), 1);

    // F8 leads to the place, where two letters mend it.
    page.browser.press("F8");
    assert_eq!(page.focused(), "policies-text");
    for _ in 0..4 {
        page.browser.press("Shift+End");
    }
    page.browser.write("kinds: [PipelineRun]");
    page.browser
        .until("document.getElementById('verdict-detail').textContent === 'the policies hold 1 mistake'");
    page.browser.press("F8");
    page.browser.press("Shift+End");
    page.browser
        .write("channel: {pattern: '#?web-.*', patternMessage: a channel of team web}");
    page.browser
        .until("document.getElementById('verdict').textContent === 'Allowed, with changes'");
    assert_eq!(page.count("#policies-problems li"), 0);
    assert_eq!(page.count("#runs[data-stale]"), 0);

    // What the engine knows how to mend is written at the push of a button, and Ctrl+Z takes it back.
    page.retype("policies-text", &broken);
    page.browser
        .eval("document.querySelector('#policies-problems .mend').click()");
    page.browser
        .until("document.getElementById('verdict-detail').textContent === 'the policies hold 1 mistake'");
    assert_eq!(
        page.browser
            .eval("document.getElementById('policies-text').value.split('\\n')[6]"),
        "    kinds: [PipelineRun]"
    );
    page.browser.eval("document.execCommand('undo')");
    page.browser
        .until("document.getElementById('verdict-detail').textContent === 'the policies hold 2 mistakes'");

    // A policy in Shadow mode says what it would do.
    let shadow = fs::read_to_string("policies/starter/github-status.yaml").unwrap();
    page.retype("policies-text", &shadow.replace("  priority: 0\n", "  mode: Shadow\n"));
    assert_eq!(page.verdict(), "Allowed, with changes");
    assert!(
        page.text(".group.shadow").contains("would be injected: acme"),
        "{}",
        page.text("#runs")
    );
    assert!(page.text(".group.shadow").contains("policy github-status"));

    // A Run that is no YAML says so at its line.
    page.retype("run-text", "kind: PipelineRun\nmetadata:\n  name: [x\n  a: 1\n");
    assert_eq!(page.verdict(), "No decision");
    assert_eq!(page.text("#run .gutter .error"), "4");
    assert!(
        page.text("#run-problems")
            .contains("illegal placement of ':' indicator")
    );
    page.assert_quiet();
}

#[test]
fn everything_is_done_by_keyboard() {
    let Some(mut page) = Page::open(&["--policies", "policies/optional/openshift"]) else {
        return;
    };
    // Tab leads through all controls in the order in which they stand, and is caught nowhere.
    page.browser.eval("document.activeElement.blur()");
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..40 {
        page.browser.press("Tab");
        let id = page.focused();
        if id == "decision" || seen.last().is_some_and(|last| *last == id && !id.is_empty()) {
            break;
        }
        seen.push(id);
    }
    let named: Vec<&str> = seen.iter().map(String::as_str).filter(|id| !id.is_empty()).collect();
    let expected = [
        "copy-link",
        "start-over",
        "show-keys",
        "theme",
        "policy-file",
        "policy-sample",
        "policies-text",
        "builtin",
        "run-sample",
        "run-text",
    ];
    let found: Vec<&str> = named.iter().copied().filter(|id| expected.contains(id)).collect();
    assert_eq!(found[..expected.len()], expected, "{seen:?}");

    // The panes by F6, the decision by Ctrl+Enter.
    page.browser.eval("document.getElementById('policies-text').focus()");
    for expected in ["run-text", "decision", "policies-text"] {
        page.browser.press("F6");
        assert_eq!(page.focused(), expected);
    }
    page.browser.press("Shift+F6");
    assert_eq!(page.focused(), "decision");
    page.browser.press("F6");
    page.browser.press("Ctrl+Enter");
    assert_eq!(page.focused(), "decision");

    // A list of all that, outside of texts.
    page.browser.press("Shift+?");
    page.browser.until("document.getElementById('keys').open");
    assert!(page.text("#keys").contains("next and previous mistake"));
    page.browser.press("Escape");
    page.browser.until("!document.getElementById('keys').open");

    // A new line keeps the indentation, and lines move by Ctrl+] and Ctrl+[.
    page.retype("run-text", "metadata:\n  labels:");
    page.browser.press("Enter");
    page.browser.press("Ctrl+]");
    page.browser.write("a: b");
    assert_eq!(
        page.browser.eval("document.getElementById('run-text').value"),
        "metadata:\n  labels:\n    a: b"
    );
    page.browser.press("Ctrl+[");
    assert_eq!(
        page.browser.eval("document.getElementById('run-text').value"),
        "metadata:\n  labels:\n  a: b"
    );
    page.assert_quiet();
}

#[test]
fn what_is_loaded_can_be_chosen_and_taken_back() {
    let Some(mut page) = Page::open(&[]) else { return };
    page.retype("policies-text", "# mine");
    page.choose("policy-sample", "Shipped: openshift");
    assert_eq!(
        page.browser
            .eval("document.getElementById('policy-file').options.length"),
        2
    );
    page.choose("policy-file", "openshift/settings.yaml");
    assert!(
        page.browser
            .eval("document.getElementById('policies-text').value")
            .as_str()
            .unwrap()
            .contains("kind: Settings")
    );
    assert_eq!(page.text("#notice-text"), "Loaded “Shipped: openshift”.");
    page.browser.eval("document.getElementById('undo').click()");
    page.settle();
    assert_eq!(
        page.browser.eval("document.getElementById('policies-text').value"),
        "# mine"
    );

    page.choose("run-sample", "A copied Run");
    assert_eq!(page.text("#verdict-detail"), "8 removed · 1 warning");
    // Without the built-in policies nothing is known of any key.
    page.browser.eval("document.getElementById('builtin').click()");
    page.browser
        .until("document.getElementById('verdict').textContent === 'Allowed as it is'");
    page.browser.eval("document.getElementById('builtin').click()");
    page.browser
        .until("document.getElementById('verdict').textContent === 'Allowed, with changes'");
    // A pack besides: its policy is for a Run of a pull request.
    page.choose("run-sample", "A pull request's Run, run again");
    assert_eq!(page.text("#verdict-detail"), "9 removed · 1 warning");
    page.browser
        .eval("document.querySelector('[data-pack=starter]').click()");
    page.browser
        .until("document.getElementById('verdict-detail').textContent.includes('3 injected')");

    // An update of what stands there.
    page.choose("operation", "UPDATE");
    assert_eq!(page.verdict(), "Allowed as it is");
    // Several Runs have one verdict, and each its own.
    page.choose("operation", "CREATE");
    page.retype(
        "run-text",
        &format!("{}---\n{}", example("clean-run"), example("malformed-run")),
    );
    assert_eq!(page.verdict(), "2 Runs: 1 refused");
    assert_eq!(page.count(".reviewed"), 2);
    page.assert_quiet();
}

#[test]
fn a_link_holds_everything_and_survives_a_reload() {
    let Some(mut page) = Page::open(&[]) else { return };
    let url = page.served.url();
    assert_eq!(page.browser.eval("location.href"), url.as_str(), "nothing was typed");
    let policy = example("policies/team-web").replace("a channel of team web", "ein Kanal des Teams «Web» 日本 🎉");
    page.retype("policies-text", &policy);
    page.retype("run-text", &example("clean-run"));
    page.browser.eval("document.getElementById('sender').open = true");
    page.retype("namespace", "web-shop");
    page.browser
        .eval("document.querySelector('[data-pack=openshift]').click()");
    page.browser
        .until("document.getElementById('verdict').textContent === 'Refused'");
    page.browser.until("location.hash.startsWith('#1.')");
    // The address is written a moment later than the verdict.
    page.browser.until("document.body.dataset.remembered === 'true'");
    let grant =
        json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": url.trim_end_matches('/')});
    page.browser.call("Browser.grantPermissions", &grant);
    page.browser.eval("document.getElementById('copy-link').click()");
    page.browser
        .until("document.getElementById('notice-text').textContent.startsWith('The link is copied.')");
    let link = page.browser.eval("navigator.clipboard.readText()");
    let link = link.as_str().unwrap().to_owned();
    assert_eq!(page.browser.eval("location.href"), link.as_str());

    page.browser.open(&link);
    page.settle();
    assert_eq!(page.verdict(), "Refused");
    assert!(
        page.text(".group.refused")
            .contains("ein Kanal des Teams «Web» 日本 🎉"),
        "{}",
        page.text("#runs")
    );
    assert_eq!(
        page.browser.eval("document.getElementById('policies-text').value"),
        policy.as_str()
    );
    assert_eq!(
        page.browser.eval("document.getElementById('namespace').value"),
        "web-shop"
    );
    assert_eq!(
        page.browser
            .eval("document.querySelector('[data-pack=openshift]').checked"),
        true
    );
    // What stands behind the # is never sent.
    for request in page.browser.events("Network.requestWillBeSent") {
        let path = request["request"]["url"].as_str().unwrap();
        assert!(!path.contains("#1."), "{path}");
    }
    // An address that holds nothing sensible does no harm.
    for fragment in ["#1.AAAA", "#1.!!", "#2.x", "#1."] {
        page.browser.open(&format!("{url}{fragment}"));
        page.settle();
        assert_eq!(page.verdict(), "Allowed, with changes", "{fragment}");
        assert!(
            page.text("#notice-text").contains("no state that can be read"),
            "{fragment}"
        );
    }
    page.assert_quiet();
}

#[test]
fn no_text_becomes_markup() {
    let Some(mut page) = Page::open(&[]) else { return };
    let markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": markup, "annotations": {"slack.integrations.tekton.dev/channel": markup, "github.integrations.tekton.dev/sha": markup}},
    });
    page.retype("run-text", &run.to_string());
    assert_eq!(page.verdict(), "Refused");
    page.retype(
        "policies-text",
        &format!("apiVersion: runstamp.dev/v1alpha1\nkind: {markup}\n"),
    );
    assert_eq!(page.verdict(), "No decision");
    assert!(
        page.text("#policies-problems").contains("<img src=x"),
        "{}",
        page.text("#policies-problems")
    );
    assert_eq!(page.count("img:not([src='/icon.svg']), body script"), 0);
    page.assert_quiet();
}

#[test]
fn a_server_that_ends_is_waited_for() {
    let Some(mut page) = Page::open(&[]) else { return };
    let address = page.served.address;
    page.retype("policies-text", "# kept");
    let ended = std::mem::replace(&mut page.served, Served::start(&[]));
    ended.end("INT");
    page.retype("run-text", &example("malformed-run"));
    assert_eq!(page.verdict(), "Nobody answers");
    let port = address.port().to_string();
    page.served = Served::start_on(&[], &port);
    page.browser
        .until("document.getElementById('verdict').textContent === 'Refused'");
    assert_eq!(
        page.browser.eval("document.getElementById('policies-text').value"),
        "# kept"
    );
}

/// Every text against what lies behind it, by the rules of WCAG: those that are too faint.
const FAINT: &str = r#"(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => { for (let at = element; at; at = at.parentElement) { const colour = paint(getComputedStyle(at).backgroundColor); if (colour[3] === 255) return colour; } return [255, 255, 255, 255]; };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const style = getComputedStyle(element);
    if (text === "" || !element.checkVisibility() || element.closest(".hidden, textarea, noscript, .mark")) continue;
    seen += 1;
    const [one, other] = [luminance(paint(style.color)), luminance(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${element.className || element.localName}: ${text.slice(0, 40)}`);
  }
  return { seen, faint };
})()"#;

/// Controls that a reader would have no word for.
const NAMELESS: &str = "[...document.querySelectorAll('button, select, input, textarea, summary')] \
    .filter((control) => !(control.labels?.length || control.textContent.trim() || control.getAttribute('aria-label'))) \
    .map((control) => control.outerHTML.slice(0, 80))";

#[test]
fn the_page_is_legible_light_and_dark() {
    let Some(mut page) = Page::open(&[]) else { return };
    let ground = "getComputedStyle(document.body).backgroundColor";
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.browser.prefer(scheme);
        grounds.push(page.browser.eval(ground));
        for (policies, run) in [
            (
                example("policies/team-web"),
                fs::read_to_string("policies/tests/runs/pipelines-as-code-copy.yaml").unwrap(),
            ),
            (example("policies/in-house"), example("malformed-run")),
            (
                example("policies/team-web").replace("kinds:", "kind:"),
                example("clean-run"),
            ),
            (String::new(), String::new()),
        ] {
            page.retype("policies-text", &policies);
            page.retype("run-text", &run);
            page.browser.eval("document.getElementById('sender').open = true; for (const one of document.querySelectorAll('#runs details')) one.open = true");
            let found = page.browser.eval(FAINT);
            // The decision before an edit is faint on purpose, by its opacity, which is not counted here.
            assert_eq!(found["faint"], json!([]), "{scheme}: {found:#}");
            assert!(found["seen"].as_u64().unwrap() > 20, "{found}");
            assert_eq!(page.browser.eval(NAMELESS), json!([]));
        }
    }
    assert_ne!(grounds[0], grounds[1]);
    // The switch outweighs the system, also after a reload.
    page.choose("theme", "Light");
    assert_eq!(page.browser.eval(ground), grounds[0]);
    let url = page.served.url();
    page.browser.open(&url);
    page.settle();
    assert_eq!(page.browser.eval(ground), grounds[0]);
    page.choose("theme", "System");
    assert_eq!(page.browser.eval(ground), grounds[1]);
    assert_eq!(page.count("main section[aria-labelledby]"), 3);
    assert_eq!(
        page.browser
            .eval("document.getElementById('verdict').getAttribute('role')"),
        "status"
    );
    page.assert_quiet();
}

#[test]
fn a_long_run_scrolls_in_its_place() {
    let Some(mut page) = Page::open(&[]) else { return };
    let steps: String = (0..2_000)
        .map(|number| format!("    - name: step-{number}\n"))
        .collect();
    let run = format!("apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec:\n  params:\n{steps}    - [oops\n");
    // Chromium types thousands of lines one by one, for half a minute; this is what pasting does at once.
    page.browser.eval(&format!(
        "(() => {{ const area = document.getElementById('run-text'); area.focus(); area.value = {}; \
           area.dispatchEvent(new Event('input')); }})()",
        json!(run)
    ));
    page.settle();
    assert_eq!(page.verdict(), "No decision");
    let height = page.browser.eval("document.querySelector('#run .editor').clientHeight");
    assert!(height.as_u64().unwrap() < 700, "{height}");
    // The mistake is at the end; F8 leads there, and number, text and mark stand beside each other.
    page.browser.eval("document.getElementById('run-text').setSelectionRange(0, 0); document.getElementById('run-text').scrollTop = 0");
    page.browser.press("F8");
    page.browser
        .until("document.getElementById('run-text').scrollTop > 30000");
    let tops = "['#run .gutter .error', '#run .mark', '#run .colours > div:nth-child(2005)'].map((one) => Math.round(document.querySelector(one).getBoundingClientRect().top))";
    page.browser.until(&format!("new Set({tops}).size === 1"));
    let tops = page.browser.eval(tops);
    let area = page
        .browser
        .eval("(({top, bottom}) => [top, bottom])(document.getElementById('run-text').getBoundingClientRect())");
    let top = tops[0].as_f64().unwrap();
    assert!(
        area[0].as_f64().unwrap() <= top && top < area[1].as_f64().unwrap(),
        "{tops} {area}"
    );
    page.assert_quiet();
}

#[test]
fn nothing_stands_out_of_a_narrow_window() {
    let Some(mut page) = Page::open(&[]) else { return };
    for (width, height) in [(320, 640), (390, 844), (768, 1024), (1280, 800), (2200, 1200)] {
        page.browser.resize(width, height);
        for run in ["malformed-run", "copied-run"] {
            page.retype("run-text", &example(run));
            let outside = page.browser.eval(
                "[...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && !one.closest('.sheet, .hidden, .skip, .scroll, dialog') \
                   && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.id || one.className || one.localName)",
            );
            assert_eq!(outside, json!([]), "{width} wide, {run}");
            assert_eq!(
                page.browser.eval("document.documentElement.scrollWidth <= innerWidth"),
                true,
                "{width} wide"
            );
        }
    }
}

#[test]
fn the_pictures_in_the_documents_are_of_this_page() {
    let Some(mut page) = Page::open(&[]) else { return };
    let is_asked = std::env::var("RUNSTAMP_UPDATE_SCREENSHOTS").is_ok_and(|value| value == "1");
    let take = |page: &mut Page, name: &str| {
        page.browser.eval("document.activeElement.blur(); scrollTo(0, 0); for (const text of document.querySelectorAll('.sheet textarea')) text.scrollTo(0, 0)");
        let picture = page.browser.screenshot();
        assert!(picture.len() < LARGEST_PICTURE, "{name}: {} bytes", picture.len());
        let path = format!("docs/{name}.png");
        if is_asked {
            fs::write(&path, picture).unwrap();
        }
        let stored =
            fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; RUNSTAMP_UPDATE_SCREENSHOTS=1 makes it"));
        assert!(
            stored.starts_with(b"\x89PNG") && stored.len() < LARGEST_PICTURE,
            "{path}"
        );
    };
    page.browser.prefer("light");
    page.browser.resize(1080, 860);
    take(&mut page, "play-light");
    page.browser.prefer("dark");
    page.browser.resize(1200, 860);
    page.choose("policy-sample", "The Runs of one team");
    let broken = example("policies/team-web")
        .replace("kinds:", "kind:")
        .replace("trigger.owner", "trigger.onwer");
    page.retype("policies-text", &broken);
    page.browser.eval("document.getElementById('notice').hidden = true");
    take(&mut page, "play-dark");
    page.browser.prefer("light");
    page.browser.resize(390, 1500);
    page.browser.eval("document.getElementById('start-over').click()");
    page.choose("run-sample", "A Run with three mistakes");
    page.browser.eval("document.getElementById('notice').hidden = true");
    take(&mut page, "play-narrow");
}
