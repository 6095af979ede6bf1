-- With two accounts for one domain, a lead would be joined to both and counted twice.
select domain, count(*) as accounts
from {{ ref("accounts") }}
where is_of_domain
group by domain
having count(*) > 1
