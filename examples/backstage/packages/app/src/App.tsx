import { createApp } from '@backstage/frontend-defaults';
import { navigation } from './navigation';

// Plugins come by themselves: app.packages of app-config.yaml takes those that package.json names.
export const app = createApp({ features: [navigation] });
