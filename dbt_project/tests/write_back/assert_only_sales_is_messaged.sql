-- Baton talks to sales and never to a lead: a message to an address that is no CRM
-- user's would be one to somebody it was not meant for.
{{ config(group="write_back") }}
select message_key, lead_key
from {{ ref("int_messages__addressed") }}
where
    user_email not in (
        select email from {{ ref("stg_salesforce__users") }} where email is not null
    )
