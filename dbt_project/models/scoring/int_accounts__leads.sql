-- One row per lead with an account: where it was, when the next run asks who has left.
-- Built after the accounts are judged: a run that dies in between asks again.
-- depends_on: {{ ref('leads_touched') }}
-- depends_on: {{ ref('account_readiness') }}
select lead_key, account_key
from {{ ref("lead_profiles") }} {{ where_touched() }} and account_key is not null
