//! Which namespaces an operator works in.

use crate::{
    server::{eventually, in_a_space},
    space::{Space, cluster_role},
};

#[tokio::test]
async fn an_operator_works_in_the_namespaces_that_it_was_told_and_in_no_other() {
    in_a_space(|first| async move {
        in_a_space(|second| async move {
            in_a_space(|other| async move {
                let mut settings = first.settings();
                settings.watch_namespaces.insert(second.name.clone());
                // The same rights in these two namespaces and nowhere else, as the chart gives them.
                let client = first.limited_to(cluster_role()).await;
                second.limited_to(cluster_role()).await;
                let operator = Space::operator_as(client, settings);
                for space in [&other, &first, &second] {
                    space.town("{}").await;
                }
                first.until_built().await;
                second.until_built().await;
                eventually("it counts as working", || async { operator.is_working() }).await;
                assert!(!other.has("StatefulSet", "town").await);
                operator.stop().await;
                first.drop_role().await;
                second.drop_role().await;
            })
            .await;
        })
        .await;
    })
    .await;
}
