import { Sidebar, SidebarDivider, SidebarItem, SidebarSpace } from '@backstage/core-components';
import { createFrontendModule } from '@backstage/frontend-plugin-api';
import { NavContentBlueprint } from '@backstage/plugin-app-react';
import { SidebarSearchModal } from '@backstage/plugin-search';

const content = NavContentBlueprint.make({
  params: {
    component: ({ navItems }) => {
      const items = navItems.withComponent(({ icon, href, title }) => (
        <SidebarItem icon={() => icon} to={href} text={title} />
      ));
      items.take('page:search'); // the dialog below finds as much
      return (
        <Sidebar>
          <SidebarSearchModal />
          <SidebarDivider />
          {items.take('page:catalog')}
          {items.rest({ sortBy: 'title' })}
          <SidebarSpace />
        </Sidebar>
      );
    },
  },
});

export const navigation = createFrontendModule({ pluginId: 'app', extensions: [content] });
