//! The files of `manifests/`, and components as kustomize applies them: resources, and patches of JSON operations.

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

use super::ManifestsError;
use super::adjust::{kind, name};

/// The files of the base, in the order of its kustomization; a test holds that it names the same ones.
pub(super) const BASE: [(&str, &str); 6] = [
    (
        "100-namespace.yaml",
        include_str!("../../manifests/base/100-namespace.yaml"),
    ),
    ("200-rbac.yaml", include_str!("../../manifests/base/200-rbac.yaml")),
    (
        "300-service.yaml",
        include_str!("../../manifests/base/300-service.yaml"),
    ),
    (
        "400-deployment.yaml",
        include_str!("../../manifests/base/400-deployment.yaml"),
    ),
    (
        "450-starter-policies.yaml",
        include_str!("../../manifests/base/450-starter-policies.yaml"),
    ),
    (
        "500-webhooks.yaml",
        include_str!("../../manifests/base/500-webhooks.yaml"),
    ),
];

static COMPONENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/manifests/components");

/// As much of a kustomization as the components of this project use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Component {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    patches: Vec<PatchFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchFile {
    path: String,
    target: Target,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

/// The documents of the base.
pub(super) fn base() -> Result<Vec<Value>, ManifestsError> {
    let mut all = Vec::new();
    for (file, text) in BASE {
        all.extend(parse(file, text)?);
    }
    Ok(all)
}

/// Adds what a component adds, and changes what it changes.
pub(super) fn apply_component(component: &str, documents: &mut Vec<Value>) -> Result<(), ManifestsError> {
    let (file, text) = read(component, "kustomization.yaml")?;
    let parsed: Component = serde_saphyr::from_str(text).map_err(|error| ManifestsError::embedded(&file, error))?;
    for other in &parsed.components {
        apply_component(other.trim_start_matches("../"), documents)?;
    }
    for resource in &parsed.resources {
        let (file, text) = read(component, resource)?;
        documents.extend(parse(&file, text)?);
    }
    for patch in &parsed.patches {
        let (file, text) = read(component, &patch.path)?;
        let operations: json_patch::Patch =
            serde_saphyr::from_str(text).map_err(|error| ManifestsError::embedded(&file, error))?;
        let target = documents
            .iter_mut()
            .find(|document| kind(document) == patch.target.kind && name(document) == patch.target.name)
            .ok_or_else(|| ManifestsError::embedded(&file, "its target is not in the base"))?;
        json_patch::patch(target, &operations).map_err(|error| ManifestsError::embedded(&file, error))?;
    }
    Ok(())
}

fn read(component: &str, file: &str) -> Result<(String, &'static str), ManifestsError> {
    let path = format!("{component}/{file}");
    let text = COMPONENTS
        .get_file(&path)
        .and_then(|file| file.contents_utf8())
        .ok_or_else(|| ManifestsError::embedded(&path, "it is not there"))?;
    Ok((path, text))
}

fn parse(file: &str, text: &str) -> Result<Vec<Value>, ManifestsError> {
    serde_saphyr::from_multiple(text).map_err(|error| ManifestsError::embedded(file, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_what_its_kustomization_names() {
        let text = include_str!("../../manifests/base/kustomization.yaml");
        let kustomization: Component = serde_saphyr::from_str(text).expect("a kustomization");
        let embedded: Vec<&str> = BASE.iter().map(|(file, _)| *file).collect();
        assert_eq!(kustomization.resources, embedded);
    }

    #[test]
    fn every_component_can_be_applied() {
        let mut names = Vec::new();
        for folder in COMPONENTS.dirs() {
            let component = folder.path().to_str().expect("a name");
            let mut documents = base().expect("the base");
            apply_component(component, &mut documents).expect(component);
            assert_ne!(documents, base().expect("the base"), "{component} changes nothing");
            names.push(component);
        }
        assert!(names.len() >= 5, "{names:?}");
    }
}
