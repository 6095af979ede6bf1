-- Salesforce refuses a lead without last name and company; a refusal there is a lead
-- that nobody calls until somebody reads the log.
{{ config(tags=["gate"]) }}
select "baton_lead_key__c"
from {{ ref("sync_salesforce__lead") }}
where "Id" is null and ("LastName" is null or "Company" is null or "OwnerId" is null)
