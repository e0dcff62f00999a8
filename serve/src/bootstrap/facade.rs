//! Companies in, answers out.

use std::fmt;
use std::path::Path;

use churn_serve::{Companies, CompanyAnswer, CompanyMapping, CompanyRow, NoMapping, ServedModel, chain};
use serde_json::Value;

#[cfg(feature = "sagemaker-endpoint")]
use crate::endpoint::Endpoint;
use crate::error::{Refusal, StartError};
use crate::proxy::{ProxyAnswer, body};

/// The function, ready to answer.
pub(crate) struct Facade {
    model: ServedModel,
    mapping: CompanyMapping,
    /// Scores instead of the model, where there is one.
    #[cfg(feature = "sagemaker-endpoint")]
    endpoint: Option<Endpoint>,
}

impl Facade {
    /// Reads the model file, and gets ready to ask the endpoint of that name.
    pub(crate) async fn new(path: &Path, endpoint: Option<String>) -> Result<Self, StartError> {
        let model = ServedModel::read(path)?;
        let no_mapping = |source: &NoMapping| StartError::NoMapping { path: path.to_owned(), source: source.clone() };
        let mapping = model.companies().map_err(no_mapping)?.clone();
        #[cfg(feature = "sagemaker-endpoint")]
        {
            let endpoint = match endpoint {
                Some(name) => Some(Endpoint::new(name).await),
                None => None,
            };
            Ok(Self { model, mapping, endpoint })
        }
        #[cfg(not(feature = "sagemaker-endpoint"))]
        match endpoint {
            Some(name) => Err(StartError::NoEndpoints { name }),
            None => Ok(Self { model, mapping }),
        }
    }

    /// Answers an event, whatever it is.
    pub(crate) async fn answer(&self, event: &Value) -> ProxyAnswer {
        match self.respond(event).await {
            Ok(body) => ProxyAnswer::new(body),
            Err(refusal) => {
                if refusal.status() >= 500 {
                    eprintln!("bootstrap: {}", chain(&refusal));
                }
                ProxyAnswer::refusing(&refusal)
            }
        }
    }

    async fn respond(&self, event: &Value) -> Result<String, Refusal> {
        let companies = Companies::read(&body(event)?, &self.mapping)?;
        let answers = self.score(companies.rows).await?;
        let answer =
            if companies.is_list { serde_json::to_string(&answers) } else { serde_json::to_string(&answers[0]) };
        Ok(answer.expect("this cannot fail because answers are numbers and texts"))
    }

    /// One answer per row.
    async fn score(&self, rows: Vec<CompanyRow>) -> Result<Vec<CompanyAnswer>, Refusal> {
        #[cfg(feature = "sagemaker-endpoint")]
        if let Some(endpoint) = &self.endpoint {
            return endpoint.answers(self.model.model(), rows).await;
        }
        Ok(rows.into_iter().map(|row| CompanyAnswer::new(row, &self.model)).collect())
    }
}

impl fmt::Display for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} is read", self.model.id())?;
        #[cfg(feature = "sagemaker-endpoint")]
        if let Some(endpoint) = &self.endpoint {
            write!(f, ", endpoint {} scores", endpoint.name())?;
        }
        let unfilled: Vec<&str> = self.mapping.unfilled().collect();
        if !unfilled.is_empty() {
            write!(f, "; no fact of a company fills {}", unfilled.join(", "))?;
        }
        Ok(())
    }
}
