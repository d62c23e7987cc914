-- One row a customer: what the shop knows, and what the orders add up to.
select c.customer_id, c.email, c.tier, c.newsletter_at, c.newsletter_source,
       count(*)                                    as orders,
       sum(o.total::decimal(12, 2))::decimal(12, 2) as spent,
       min(o.ordered_at)                           as first_order,
       max(o.ordered_at)                           as last_order
from customers c join orders o using (customer_id)
group by all
