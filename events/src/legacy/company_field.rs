//! What the original system says of a company, however it is spelt.

/// The industries of the original system's company table.
pub const INDUSTRIES: [&str; 9] =
    ["IT", "consulting", "energy", "finance", "gov", "health", "retail", "service", "travel"];

/// A field of the original system's company JSON, or a column of its company table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompanyField {
    /// Which company.
    Id,
    /// Its industry, usually one of the [`INDUSTRIES`].
    Industry,
    /// Yearly revenue, in million dollars.
    Revenue,
    /// People employed.
    Employees,
    /// Jobs submitted in the last 30 days.
    Job30,
    /// Jobs submitted in the last 90 days.
    Job90,
    /// What it is charged per month, in dollars.
    MonthlyFee,
    /// What it has been charged, in dollars.
    TotalFee,
    /// What was decided about it: no fact.
    RiskOfChurn,
}

impl CompanyField {
    /// The field of that name in any spelling seen, without regard to case, blanks and signs.
    ///
    /// # Example
    /// ```
    /// use churn_events::CompanyField;
    ///
    /// assert_eq!(CompanyField::spelt("#job30"), Some(CompanyField::Job30));
    /// assert_eq!(CompanyField::spelt("monthly_charge"), CompanyField::spelt("monthlyFee"));
    /// assert_eq!(CompanyField::spelt("sentiment"), None);
    /// ```
    pub fn spelt(name: &str) -> Option<Self> {
        Some(match Self::plain(name).as_str() {
            "companyid" | "company" => Self::Id,
            "industry" => Self::Industry,
            "revenu" | "revenue" => Self::Revenue,
            "employee" | "employees" => Self::Employees,
            "job30" | "jobs30" => Self::Job30,
            "job90" | "jobs90" => Self::Job90,
            "monthlyfee" | "monthlycharge" => Self::MonthlyFee,
            "totalfee" | "totalcharge" => Self::TotalFee,
            "riskofchurn" | "churn" => Self::RiskOfChurn,
            _ => return None,
        })
    }

    /// A name without what spellings differ in: case, blanks and signs.
    pub fn plain(name: &str) -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
    }

    /// The spelling that is used here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "companyID",
            Self::Industry => "industry",
            Self::Revenue => "revenue",
            Self::Employees => "employees",
            Self::Job30 => "job30",
            Self::Job90 => "job90",
            Self::MonthlyFee => "monthlyFee",
            Self::TotalFee => "totalFee",
            Self::RiskOfChurn => "riskOfChurn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_company_table_and_the_company_json_say_the_same() {
        let table = "Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn";
        let json = "companyID,industry,revenu,employee,job30,job90,monthlyFee,totalFee,riskOfChurn";
        for (column, field) in table.split(',').zip(json.split(',')) {
            let found = CompanyField::spelt(column).expect(column);
            assert_eq!(Some(found), CompanyField::spelt(field));
            assert_eq!(Some(found), CompanyField::spelt(found.name()));
        }
    }
}
