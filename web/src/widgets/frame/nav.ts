/** The structure of the console. A screen whose data does not exist yet has its place when it has its data: one line here. */
import { IconCpu, IconFileCode, IconFileText, IconGauge, IconHistory, IconMap2, IconPackage, IconPhoto, IconPlugConnected, IconRocket, IconSettings, IconTopologyStar3, type Icon } from '@tabler/icons-react';

export interface Place {
  to: '/' | '/firmware/list' | '/firmware/deployment' | '/device' | '/ads/list' | '/logs' | '/connections' | '/groups' | '/regions' | '/products' | '/audit' | '/settings';
  label: 'nav.overview' | 'nav.firmware' | 'nav.deployments' | 'nav.devices' | 'nav.contents' | 'nav.logs' | 'nav.connections' | 'nav.groups' | 'nav.regions' | 'nav.products' | 'nav.audit' | 'nav.settings';
  icon: Icon;
}

export const SECTIONS: { title?: 'nav.updates' | 'nav.fleet' | 'nav.system'; places: Place[] }[] = [
  { places: [{ to: '/', label: 'nav.overview', icon: IconGauge }] },
  {
    title: 'nav.updates',
    places: [
      { to: '/firmware/list', label: 'nav.firmware', icon: IconFileCode },
      { to: '/ads/list', label: 'nav.contents', icon: IconPhoto },
      { to: '/firmware/deployment', label: 'nav.deployments', icon: IconRocket },
    ],
  },
  {
    title: 'nav.fleet',
    places: [
      { to: '/device', label: 'nav.devices', icon: IconCpu },
      { to: '/logs', label: 'nav.logs', icon: IconFileText },
      { to: '/connections', label: 'nav.connections', icon: IconPlugConnected },
      { to: '/groups', label: 'nav.groups', icon: IconTopologyStar3 },
      { to: '/regions', label: 'nav.regions', icon: IconMap2 },
      { to: '/products', label: 'nav.products', icon: IconPackage },
    ],
  },
  {
    title: 'nav.system',
    places: [
      { to: '/audit', label: 'nav.audit', icon: IconHistory },
      { to: '/settings', label: 'nav.settings', icon: IconSettings },
    ],
  },
];
